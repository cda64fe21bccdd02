//! The rooms and what each may import: the table of ARCHITECTURE.md, held against the `use` lines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room (or file) and what it may name; `a::B` allows that one item only.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &[]),
    ("scim", &[]),
    ("durable", &[]),
    ("decide", &["model"]),
    ("trust", &[]),
    ("halt", &[]),
    ("web", &["model"]),
    ("listen", &["model"]),
    ("directory", &["model"]),
    ("directory/ldap", &["model", "trust"]),
    ("accounts", &["model"]),
    ("accounts/embedded/mod.rs", &["model", "store"]),
    ("accounts/embedded/bring.rs", &["model", "store"]),
    ("accounts/reach", &["model", "trust", "web", "halt"]),
    ("accounts/chime", &["model", "wire", "web", "halt"]),
    ("accounts/scim", &["model", "web", "halt"]),
    ("state", &["model", "durable"]),
    ("store", &["model", "durable"]),
    ("smtp", &[]),
    ("server", &["model", "store", "wire", "scim", "listen", "smtp"]),
    (
        "pass",
        &[
            "model",
            "decide",
            "halt",
            "directory::Directory",
            "directory::DirectoryError",
            "directory::Cursor",
            "directory::Read",
            "accounts::AccountStore",
            "accounts::AccountsError",
            "accounts::Sought",
            "state::StateStore",
            "state::StateError",
            "state::Closing",
            "state::SETTLE_MAX",
            "state::begun",
            "state::settled",
            "state::finished",
            "state::approved",
        ],
    ),
    ("status", &["model", "listen"]),
    ("notify", &["model", "status", "smtp", "trust", "web"]),
    ("config", &["model"]),
    ("control", &["model", "decide::Explanation", "pass", "status"]),
    (
        "daemon",
        &[
            "model",
            "pass",
            "status",
            "control",
            "directory::Directory",
            "directory::DirectoryError",
            "directory::Lookout",
            "directory::Sight",
            "directory::Blind",
            "accounts::AccountStore",
            "accounts::AccountsError",
            "state::StateStore",
        ],
    ),
    ("daemon/alarm.rs", &["model", "config::Schedule"]),
    (
        "cli",
        &[
            "model",
            "decide",
            "directory",
            "accounts",
            "state",
            "pass",
            "config",
            "store",
            "server",
            "wire",
            "trust",
            "status",
            "control",
            "daemon",
            "listen",
            "smtp",
            "notify",
            "web",
            "halt",
        ],
    ),
    ("main.rs", &["cli"]),
    ("bin/seatstore.rs", &["cli"]),
];

/// Below the command line nobody prints, leaves, or knows the word: a dry run is the same program stopped earlier.
const ONLY_IN_CLI: &[&str] = &["dry_run", "println!", "print!(", "process::exit"];

/// Files of the server that only decide.
const PURE_OF_THE_SERVER: &[&str] = &["server/api/route.rs", "server/api/view.rs", "server/command/perform.rs"];

/// Files of the status room that do not only say what is in a value.
const EFFECTS_OF_STATUS: &[&str] = &["status/routes.rs", "status/metrics.rs"];
/// Files that decide what somebody is told.
const PURE_OF_NOTIFY: &[&str] = &["notify/news.rs", "notify/message.rs"];

/// Effects and clocks that a pure room may not have.
const NOT_IN_PURE_ROOMS: &[&str] = &[
    "async ",
    ".await",
    "tokio",
    "std::fs",
    "std::net",
    "std::env",
    "Timestamp::now",
    "SystemTime",
    "Instant",
    "tracing",
    "rand::",
    "new_v4",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file below a folder, with its path from `src`.
fn sources(below: &str) -> Vec<(String, String)> {
    let root = root();
    let (mut files, mut folders) = (Vec::new(), vec![root.join(below)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), code(&path)));
            }
        }
    }
    files.sort();
    files
}

/// The code of a file without comments, and without its tests, which may import anything.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// All paths below `crate` that a text names, `use` lists unfolded: `crate::a::{b, c::d}` names `a::b` and `a::c::d`.
fn named(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for prefix in ["crate::", "seatsync::"] {
        for (at, _) in code.match_indices(prefix) {
            unfold("", &code[at + prefix.len()..], &mut names);
        }
    }
    names
}

/// Reads one path, or one list of paths in braces, at the start of `rest`; gives what follows it.
fn unfold<'a>(before: &str, rest: &'a str, names: &mut BTreeSet<String>) -> &'a str {
    if let Some(mut list) = rest.strip_prefix('{') {
        loop {
            list = list.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            match list.strip_prefix('}') {
                Some(after) => return after,
                None => list = unfold(before, list, names),
            }
        }
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let path = if before.is_empty() { rest[..end].to_owned() } else { format!("{before}::{}", &rest[..end]) };
    match rest[end..].strip_prefix("::") {
        Some(deeper) if deeper.starts_with(|c: char| c == '{' || c == '_' || c.is_alphabetic()) => {
            unfold(&path, deeper, names)
        }
        _ => {
            assert!(end > 0, "a path that this reader does not understand: {:?}", &rest[..rest.len().min(60)]);
            names.insert(path);
            rest[end..].strip_prefix(" as _").unwrap_or(&rest[end..])
        }
    }
}

#[test]
fn paths_are_read_from_use_lines() {
    let names = named("use crate::{a::{B, c::D}, e};\nlet x = crate::f::g(1);");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a::B", "a::c::D", "e", "f::g"]);
}

#[test]
fn every_arrow_between_rooms_is_in_the_table() {
    let (mut wrong, mut arrows) = (Vec::new(), 0);
    for (file, code) in sources("").into_iter().filter(|(file, _)| file != "lib.rs" && !file.starts_with("sim/")) {
        let room = file.split('/').next().unwrap();
        // The row of the file, else that of the nearest folder around it.
        let rows = ALLOWED.iter().filter(|(name, _)| file == *name || file.starts_with(&format!("{name}/")));
        let allowed = rows.max_by_key(|(name, _)| name.len()).unwrap_or_else(|| panic!("no row for {file}")).1;
        for name in named(&code) {
            arrows += 1;
            let own = name.split("::").next() == Some(room);
            let listed = allowed.iter().any(|each| name == *each || name.starts_with(&format!("{each}::")));
            if !own && !listed {
                wrong.push(format!("{file} names {name}"));
            }
        }
    }
    assert!(arrows > 100, "only {arrows} arrows were seen: the reader of `use` lines is broken");
    assert!(wrong.is_empty(), "arrows that ARCHITECTURE.md does not have:\n{}", wrong.join("\n"));
}

#[test]
fn architecture_md_has_the_same_table() {
    let text = fs::read_to_string(root().join("../ARCHITECTURE.md")).unwrap();
    for (room, _) in ALLOWED.iter().filter(|(room, _)| !room.contains(['.', '/'])) {
        assert!(text.contains(&format!("| `{room}` |")), "ARCHITECTURE.md has no row for {room}");
    }
}

#[test]
fn the_pure_rooms_have_no_effects() {
    let mut pure = [sources("decide"), sources("model"), sources("wire"), sources("scim")].concat();
    pure.retain(|(file, _)| !file.ends_with("tests.rs"));
    pure.extend(sources("store").into_iter().filter(|(file, _)| !file.ends_with("disk.rs")));
    pure.extend(sources("status").into_iter().filter(|(file, _)| !EFFECTS_OF_STATUS.contains(&file.as_str())));
    pure.extend(sources("server").into_iter().filter(|(file, _)| PURE_OF_THE_SERVER.contains(&file.as_str())));
    pure.extend(sources("notify").into_iter().filter(|(file, _)| PURE_OF_NOTIFY.contains(&file.as_str())));
    assert!(pure.len() > 15, "only {} files were seen", pure.len());
    let found = |code: &str| NOT_IN_PURE_ROOMS.iter().filter(|word| code.contains(**word)).copied().collect::<Vec<_>>();
    let wrong: Vec<_> =
        pure.iter().map(|(file, code)| (file, found(code))).filter(|(_, words)| !words.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn only_the_command_line_prints_and_knows_dry_runs() {
    let below = sources("").into_iter().filter(|(file, _)| !file.starts_with("cli/"));
    let found = |code: &str| ONLY_IN_CLI.iter().filter(|word| code.contains(**word)).copied().collect::<Vec<_>>();
    let wrong: Vec<_> = below.map(|(file, code)| (file, found(&code))).filter(|(_, words)| !words.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn only_what_is_journaled_is_applied() {
    let callers: Vec<String> = sources("")
        .into_iter()
        .filter(|(file, code)| !file.starts_with("accounts/") && code.contains("accounts.apply("))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(callers, ["pass/apply.rs"]);
}
