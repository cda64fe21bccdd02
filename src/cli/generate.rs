//! `generate`: manual pages and shell completions from the command lines themselves, so that they cannot differ.
//!
//! Hidden, since packages need it and nobody else. The pages of the configuration files are written by hand: `man/`.

use super::arguments::{Arguments, GenerateOptions};
use super::exit::{Exit, Stop};
use super::{seatstore, show};
use crate::model::Timestamp;
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::fs::DirBuilder;
use std::path::Path;

/// The section of the manual for programs.
const SECTION: &str = "1";
/// When the pages are from, in seconds since 1970: packages that are built twice the same set it (reproducible-builds.org).
const DATE_VARIABLE: &str = "SOURCE_DATE_EPOCH";
/// The shells that have completions.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// One program.
struct Program {
    name: &'static str,
    command: Command,
    /// Its files, and what is in them.
    files: &'static [(&'static str, &'static str)],
    see_also: &'static str,
}

/// `generate`: one page a command in `DIR/man`, the completions in `DIR/completions`.
pub(super) fn generate(options: &GenerateOptions) -> Result<Exit, Stop> {
    let (pages, completions) = (options.out.join("man"), options.out.join("completions"));
    for folder in [&pages, &completions] {
        DirBuilder::new().recursive(true).create(folder).map_err(|error| unwritten(folder, &error))?;
    }
    let programs = [
        Program {
            name: "seatsync",
            command: Arguments::command(),
            files: &[
                ("/etc/seatsync/seatsync.toml", "the configuration, see seatsync.toml(5)"),
                ("/etc/seatsync/ldap-password", "the password of the directory, readable by root alone"),
                ("/var/lib/seatsync", "what is remembered, and the embedded account store"),
                ("/run/seatsync/control.sock", "where commands reach the service: for root and the group seatsync"),
            ],
            see_also: "seatsync.toml(5), seatstore(1), systemctl(1), journalctl(1)",
        },
        Program {
            name: "seatstore",
            command: seatstore::command(),
            files: &[
                ("/etc/seatstore/seatstore.toml", "the configuration, see seatstore.toml(5)"),
                ("/etc/seatstore/keys.toml", "the access keys, readable by root and the group seatstore"),
                ("/var/lib/seatstore", "accounts, people, the audit log, mail that waits"),
            ],
            see_also: "seatstore.toml(5), seatsync(1), systemctl(1), journalctl(1)",
        },
    ];
    for Program { name, command, files, see_also } in programs {
        let mut command = visible(name, &command).disable_help_subcommand(true);
        for shell in SHELLS {
            generate_to(shell, &mut command, name, &completions).map_err(|error| unwritten(&completions, &error))?;
        }
        command.build();
        write_pages(&command, name, files, see_also, &pages)?;
    }
    show::say(&format!("wrote {}\n", options.out.display()))?;
    Ok(Exit::Done)
}

/// A command line without what is hidden, which completions would show.
fn visible(name: &'static str, command: &Command) -> Command {
    let mut visible = Command::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .args(command.get_arguments().cloned())
        .subcommands(command.get_subcommands().filter(|below| !below.is_hide_set()).cloned());
    if let Some(about) = command.get_about() {
        visible = visible.about(about.clone());
    }
    if let Some(after) = command.get_after_help() {
        visible = visible.after_help(after.clone());
    }
    visible
}

/// The page of a command, and those of the commands below it.
fn write_pages(
    command: &Command,
    name: &str,
    files: &[(&str, &str)],
    see_also: &str,
    folder: &Path,
) -> Result<(), Stop> {
    let path = folder.join(format!("{name}.{SECTION}"));
    page(command, name, files, see_also)
        .and_then(|page| std::fs::write(&path, page))
        .map_err(|error| unwritten(&path, &error))?;
    for below in command.get_subcommands() {
        write_pages(below, &format!("{name}-{}", below.get_name()), &[], &format!("{name}({SECTION})"), folder)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str, files: &[(&str, &str)], see_also: &str) -> std::io::Result<Vec<u8>> {
    let seconds = std::env::var(DATE_VARIABLE).ok().and_then(|text| text.parse().ok());
    let date = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section(SECTION)
        .date(date.map(|date| date.strftime("%Y-%m-%d").to_string()).unwrap_or_default())
        .source(concat!("seatsync ", env!("CARGO_PKG_VERSION")))
        .manual("System Administration");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut end = Roff::new();
    if let Some(after) = command.get_after_help() {
        // As it stands: tables of exit statuses would run together.
        end.control("SH", ["NOTES"]).control("nf", []);
        for line in after.to_string().lines() {
            end.text([roman(line)]);
        }
        end.control("fi", []);
    }
    if !files.is_empty() {
        end.control("SH", ["FILES"]);
        for (file, what) in files {
            end.control("TP", []).text([roman(*file)]).text([roman(*what)]);
        }
    }
    end.control("SH", ["SEE ALSO"]).text([roman(see_also)]);
    end.to_writer(&mut page)?;
    Ok(page)
}

fn unwritten(path: &Path, error: &std::io::Error) -> Stop {
    Stop::Other(format!("{} could not be written: {error}; name a folder in which you may write", path.display()))
}
