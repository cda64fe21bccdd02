//! What a message says: as JSON for programs, as plain text for people. Pure.
//!
//! Invariants: no address of a person and no line break gets into a header or a summary; texts of others (why a pass
//! failed, what is wrong with a configuration) are cut to a limit, and what looks like an address or like credentials in a
//! URL is masked in them.

use super::news::{Event, News};
use crate::model::Timestamp;
use crate::smtp::one_line;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Of the JSON; another number means that something was renamed or taken away.
pub const FORMAT: u32 = 1;
/// Most of the reason of a failure that is passed on, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// Most problems of a configuration that are passed on.
pub const PROBLEMS_MAX: usize = 10;
/// The longest name of a machine, an instance or an account that is shown, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Where commands look when nobody names a configuration.
const CONFIG_DEFAULT: &str = "/etc/seatsync/seatsync.toml";

/// Who tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The name of the machine.
    pub host: String,
    /// The name of the service: `seatsync`, or `emea` for `seatsync@emea`.
    pub instance: String,
    /// The account whose seats it keeps.
    pub account: String,
    /// Its configuration file, absolute: commands to run next name it where it is not the usual one.
    pub config: PathBuf,
}

/// One message, ready for every channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    event: Event,
    /// What a program gets.
    pub body: Value,
    /// What stands above a mail.
    pub subject: String,
    /// What stands in it.
    pub text: String,
}

impl Message {
    /// Of which kind its news are.
    pub fn event(&self) -> &'static str {
        self.event.word()
    }
}

/// What people and programs are told of one piece of news.
struct Said {
    /// In one line, beginning in lower case.
    summary: String,
    /// What it means and what to do, in lines.
    meaning: String,
    /// The command to run next, where there is one.
    todo: Option<String>,
    facts: Value,
}

/// Writes it.
pub fn written(news: &News, about: &About, at: Timestamp) -> Message {
    let About { host, instance, account, config: _ } = about;
    let [host, instance, account] = [host, instance, account].map(|name| one_line(name, NAME_CHARS_MAX));
    let Said { summary, meaning, todo, facts } = said(news, about, at);
    let event = news.event().word();
    let body = json!({
        "format": FORMAT, "event": event, "at": at.to_string(), "host": host, "instance": instance, "account": account,
        "summary": summary, "todo": todo, "facts": facts,
    });
    let next = todo.map(|todo| format!("\nNext:\n\n    {todo}\n")).unwrap_or_default();
    let text = format!(
        "{}.\n\n{meaning}{next}\n-- \n{instance} on {host}, account {account}, {}\n",
        capital(&summary),
        shown(at)
    );
    Message { event: news.event(), body, subject: format!("[{instance}] {account}: {summary}"), text }
}

fn said(news: &News, about: &About, now: Timestamp) -> Said {
    let run = |command: &str| Some(command_line(command, &about.config));
    match news {
        News::HeldLosses { hash, losses, gains, since, expires } => {
            let (summary, rest) = held(*losses, *gains);
            let release = command_line(&format!("approve {}", one_line(hash, NAME_CHARS_MAX)), &about.config);
            let by = expires.map(|at| format!("Somebody should have looked by {}.\n", shown(at))).unwrap_or_default();
            Said {
                summary,
                meaning: format!(
                    "A pass came to more than is done without asking: it crosses a limit, a group is missing or\n\
                     much smaller than it was, or what was known before is lost. It is held, {rest}\n\
                     Held since {}. {by}\n\
                     Look at the plan first. If it is right, release it:\n\
                     \n    {release}\n\n\
                     If it is wrong, mend the directory or the configuration: what is held then goes away by\n\
                     itself.\n",
                    shown(*since)
                ),
                todo: run("plan"),
                facts: json!({
                    "hash": hash, "losses": losses, "gains": gains, "since": since.to_string(),
                    "expires": expires.map(|at| at.to_string()), "release": release,
                }),
            }
        }
        News::Failing { since, passes, reason } => {
            let reason = masked(reason, REASON_CHARS_MAX);
            Said {
                summary: format!("passes have failed since {}", shown(*since)),
                meaning: format!(
                    "Nothing is changed meanwhile: who has a seat keeps it, who needs one waits. The service\n\
                     goes on trying. The latest pass said:\n\n    {reason}\n"
                ),
                todo: run("check"),
                facts: json!({"since": since.to_string(), "passes": passes, "reason": reason}),
            }
        }
        News::Recovered { since, after } => Said {
            summary: format!("passes succeed again after {}", length(*after)),
            meaning: format!(
                "They had failed since {}. What was left undone is done\n\
                 now, unless limits hold it. There is nothing to do.\n",
                shown(*since)
            ),
            todo: None,
            facts: json!({"since": since.to_string(), "after_seconds": after.as_secs()}),
        },
        News::ConfigRejected { problems } => {
            let problems = problem_lines(problems);
            let lines: String = problems.iter().map(|line| format!("    {line}\n")).collect();
            Said {
                summary: "a new configuration was refused, the one before is still in use".to_owned(),
                meaning: format!("Mend the file and reload the service. What is wrong with it:\n\n{lines}"),
                todo: run("check --offline"),
                facts: json!({"problems": problems}),
            }
        }
        News::ConfigAccepted { at } => Said {
            summary: "a good configuration is in use again".to_owned(),
            meaning: format!("It was read at {}. There is nothing to do.\n", shown(*at)),
            todo: None,
            facts: json!({"loaded": at.to_string()}),
        },
        News::ExpiringSoon { kind, of, at } => {
            let [kind, of] = [kind, of].map(|text| one_line(text, REASON_CHARS_MAX));
            let left = at.duration_since(now);
            let when = match left.is_positive() {
                true => format!("ends in {}", length(left)),
                false => format!("ended {} ago", length(-left)),
            };
            Said {
                summary: format!("the {kind} of {of} {when}"),
                meaning: format!(
                    "It is good until {}. From then on passes fail: nobody gets a seat,\n\
                     nobody loses one. Renew it in time.\n",
                    shown(*at)
                ),
                todo: run("check"),
                facts: json!({"kind": kind, "of": of, "expires": at.to_string()}),
            }
        }
        News::Test => Said {
            summary: "this is a test".to_owned(),
            meaning: "Somebody wanted to see whether messages arrive: they do. Nothing has happened, and there\n\
                      is nothing to do.\n"
                .to_owned(),
            todo: None,
            facts: json!({}),
        },
    }
}

/// What is held, and what goes on.
fn held(losses: usize, gains: usize) -> (String, &'static str) {
    let count = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        more => format!("{more} {many}"),
    };
    let waits = |count: usize| if count == 1 { "waits" } else { "wait" };
    let lost = count(losses, "loss", "losses");
    let gained = count(gains, "gain", "gains");
    match (losses, gains) {
        (_, 0) => {
            (format!("{lost} {} for approval", waits(losses)), "and those people\nkeep their seats; all else goes on.")
        }
        (0, _) => (
            format!("{gained} {} for approval", waits(gains)),
            "and those people\nwait for their seats; all else goes on.",
        ),
        (_, _) => (
            format!("{lost} and {gained} wait for approval"),
            "and those people\nkeep what they have; all else goes on.",
        ),
    }
}

/// A command with the configuration it means, ready for a shell.
fn command_line(command: &str, config: &Path) -> String {
    let path = config.display().to_string();
    if path == CONFIG_DEFAULT || path.is_empty() {
        return format!("seatsync {command}");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-@+".contains(c);
    let quoted = match path.chars().all(plain) {
        true => path,
        false => format!("'{}'", one_line(&path, usize::MAX).replace('\'', "'\\''")),
    };
    format!("seatsync {command} -c {quoted}")
}

/// What is wrong and where, without the lines of the file themselves.
fn problem_lines(problems: &str) -> Vec<String> {
    let telling = |line: &&str| ["error", "-->"].iter().any(|word| line.trim_start().starts_with(word));
    let mut lines: Vec<&str> = problems.lines().filter(telling).take(PROBLEMS_MAX * 2).collect();
    if lines.is_empty() {
        lines = problems.lines().filter(|line| !line.trim().is_empty()).take(PROBLEMS_MAX).collect();
    }
    lines.into_iter().map(|line| masked(line, REASON_CHARS_MAX)).collect()
}

/// A text of others in one line of that length, with what looks like an address or like credentials in a URL taken out.
pub fn masked(text: &str, chars_max: usize) -> String {
    let line = one_line(text, usize::MAX);
    let ends = |c: char| c.is_whitespace() || "<>()[]{},;\"'`|\\".contains(c);
    let mut safe = String::with_capacity(line.len());
    for token in line.split_inclusive(ends) {
        match token.rfind('@') {
            // What stands behind is a host, and worth knowing.
            Some(at) => {
                safe.push_str("***");
                safe.push_str(&token[at..]);
            }
            None => safe.push_str(token),
        }
    }
    match safe.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}\u{2026}", &safe[..end]),
        None => safe,
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A length of time as people say it: its two largest units.
fn length(of: SignedDuration) -> String {
    let seconds = of.as_secs().max(0);
    let [days, hours, minutes] = [seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60];
    let unit = |count: i64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    match (days, hours, minutes) {
        (0, 0, 0) => unit(seconds, "second"),
        (0, 0, minutes) => unit(minutes, "minute"),
        (0, hours, 0) => unit(hours, "hour"),
        (0, hours, minutes) => format!("{} {}", unit(hours, "hour"), unit(minutes, "minute")),
        (days, 0, _) => unit(days, "day"),
        (days, hours, _) => format!("{} {}", unit(days, "day"), unit(hours, "hour")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn about() -> About {
        About {
            host: "dirsync1".to_owned(),
            instance: "seatsync".to_owned(),
            account: "corp".to_owned(),
            config: PathBuf::from(CONFIG_DEFAULT),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOW: &str = "2026-11-25T12:00:00Z";

    fn shown(news: &News) -> String {
        let Message { event: _, body, subject, text } = written(news, &about(), at(NOW));
        assert_eq!(body["format"], 1);
        assert!(subject.chars().all(|c| !c.is_control()), "{subject:?}");
        format!("Subject: {subject}\n\n{text}\n{}", serde_json::to_string_pretty(&body).unwrap())
    }

    fn held_losses() -> News {
        News::HeldLosses {
            hash: "3f9c0a51b2d47e88".to_owned(),
            losses: 41,
            gains: 0,
            since: at("2026-11-25T11:55:00Z"),
            expires: Some(at("2026-11-26T11:55:00Z")),
        }
    }

    fn failing(reason: &str) -> News {
        News::Failing { since: at("2026-11-25T11:40:00Z"), passes: 3, reason: reason.to_owned() }
    }

    #[test]
    fn held_losses_are_told_with_both_ways_out() {
        insta::assert_snapshot!(shown(&held_losses()), @r##"
        Subject: [seatsync] corp: 41 losses wait for approval

        41 losses wait for approval.

        A pass came to more than is done without asking: it crosses a limit, a group is missing or
        much smaller than it was, or what was known before is lost. It is held, and those people
        keep their seats; all else goes on.
        Held since 2026-11-25 11:55 UTC. Somebody should have looked by 2026-11-26 11:55 UTC.

        Look at the plan first. If it is right, release it:

            seatsync approve 3f9c0a51b2d47e88

        If it is wrong, mend the directory or the configuration: what is held then goes away by
        itself.

        Next:

            seatsync plan

        -- 
        seatsync on dirsync1, account corp, 2026-11-25 12:00 UTC

        {
          "account": "corp",
          "at": "2026-11-25T12:00:00Z",
          "event": "losses_held",
          "facts": {
            "expires": "2026-11-26T11:55:00Z",
            "gains": 0,
            "hash": "3f9c0a51b2d47e88",
            "losses": 41,
            "release": "seatsync approve 3f9c0a51b2d47e88",
            "since": "2026-11-25T11:55:00Z"
          },
          "format": 1,
          "host": "dirsync1",
          "instance": "seatsync",
          "summary": "41 losses wait for approval",
          "todo": "seatsync plan"
        }
        "##);
    }

    #[test]
    fn a_failure_is_told_with_its_reason() {
        insta::assert_snapshot!(shown(&failing("ldaps://dc1.corp.example: connection refused")), @r##"
        Subject: [seatsync] corp: passes have failed since 2026-11-25 11:40 UTC

        Passes have failed since 2026-11-25 11:40 UTC.

        Nothing is changed meanwhile: who has a seat keeps it, who needs one waits. The service
        goes on trying. The latest pass said:

            ldaps://dc1.corp.example: connection refused

        Next:

            seatsync check

        -- 
        seatsync on dirsync1, account corp, 2026-11-25 12:00 UTC

        {
          "account": "corp",
          "at": "2026-11-25T12:00:00Z",
          "event": "failing",
          "facts": {
            "passes": 3,
            "reason": "ldaps://dc1.corp.example: connection refused",
            "since": "2026-11-25T11:40:00Z"
          },
          "format": 1,
          "host": "dirsync1",
          "instance": "seatsync",
          "summary": "passes have failed since 2026-11-25 11:40 UTC",
          "todo": "seatsync check"
        }
        "##);
    }

    #[test]
    fn the_end_of_a_failure_asks_for_nothing() {
        let news = News::Recovered { since: at("2026-11-25T09:30:00Z"), after: SignedDuration::from_mins(145) };
        insta::assert_snapshot!(shown(&news), @r##"
        Subject: [seatsync] corp: passes succeed again after 2 hours 25 minutes

        Passes succeed again after 2 hours 25 minutes.

        They had failed since 2026-11-25 09:30 UTC. What was left undone is done
        now, unless limits hold it. There is nothing to do.

        -- 
        seatsync on dirsync1, account corp, 2026-11-25 12:00 UTC

        {
          "account": "corp",
          "at": "2026-11-25T12:00:00Z",
          "event": "recovered",
          "facts": {
            "after_seconds": 8700,
            "since": "2026-11-25T09:30:00Z"
          },
          "format": 1,
          "host": "dirsync1",
          "instance": "seatsync",
          "summary": "passes succeed again after 2 hours 25 minutes",
          "todo": null
        }
        "##);
    }

    #[test]
    fn a_refused_configuration_is_told_without_its_lines() {
        let problems = "error: unknown key `urll` in [directory]\n --> /etc/seatsync/seatsync.toml:4:1\n  |\n4 | urll = \
                        [\"ldaps://dc1.corp.example\"] # ask kim@corp.example\n  | ^^^^\n  = help: did you mean `urls`?\n\
                        \n1 problem in /etc/seatsync/seatsync.toml\n";
        insta::assert_snapshot!(shown(&News::ConfigRejected { problems: problems.to_owned() }), @r##"
        Subject: [seatsync] corp: a new configuration was refused, the one before is still in use

        A new configuration was refused, the one before is still in use.

        Mend the file and reload the service. What is wrong with it:

            error: unknown key `urll` in [directory]
            --> /etc/seatsync/seatsync.toml:4:1

        Next:

            seatsync check --offline

        -- 
        seatsync on dirsync1, account corp, 2026-11-25 12:00 UTC

        {
          "account": "corp",
          "at": "2026-11-25T12:00:00Z",
          "event": "configuration_rejected",
          "facts": {
            "problems": [
              "error: unknown key `urll` in [directory]",
              "--> /etc/seatsync/seatsync.toml:4:1"
            ]
          },
          "format": 1,
          "host": "dirsync1",
          "instance": "seatsync",
          "summary": "a new configuration was refused, the one before is still in use",
          "todo": "seatsync check --offline"
        }
        "##);
        insta::assert_snapshot!(shown(&News::ConfigAccepted { at: at(NOW) }), @r##"
        Subject: [seatsync] corp: a good configuration is in use again

        A good configuration is in use again.

        It was read at 2026-11-25 12:00 UTC. There is nothing to do.

        -- 
        seatsync on dirsync1, account corp, 2026-11-25 12:00 UTC

        {
          "account": "corp",
          "at": "2026-11-25T12:00:00Z",
          "event": "configuration_accepted",
          "facts": {
            "loaded": "2026-11-25T12:00:00Z"
          },
          "format": 1,
          "host": "dirsync1",
          "instance": "seatsync",
          "summary": "a good configuration is in use again",
          "todo": null
        }
        "##);
    }

    #[test]
    fn what_ends_is_told_in_days() {
        let expiring = |end: &str| News::ExpiringSoon {
            kind: "certificate".to_owned(),
            of: "ldaps://dc1.corp.example".to_owned(),
            at: at(end),
        };
        insta::assert_snapshot!(shown(&expiring("2026-12-09T11:00:00Z")), @r##"
        Subject: [seatsync] corp: the certificate of ldaps://dc1.corp.example ends in 13 days 23 hours

        The certificate of ldaps://dc1.corp.example ends in 13 days 23 hours.

        It is good until 2026-12-09 11:00 UTC. From then on passes fail: nobody gets a seat,
        nobody loses one. Renew it in time.

        Next:

            seatsync check

        -- 
        seatsync on dirsync1, account corp, 2026-11-25 12:00 UTC

        {
          "account": "corp",
          "at": "2026-11-25T12:00:00Z",
          "event": "expiring",
          "facts": {
            "expires": "2026-12-09T11:00:00Z",
            "kind": "certificate",
            "of": "ldaps://dc1.corp.example"
          },
          "format": 1,
          "host": "dirsync1",
          "instance": "seatsync",
          "summary": "the certificate of ldaps://dc1.corp.example ends in 13 days 23 hours",
          "todo": "seatsync check"
        }
        "##);
        let gone = written(&expiring("2026-11-24T12:00:00Z"), &about(), at(NOW));
        assert_eq!(gone.body["summary"], "the certificate of ldaps://dc1.corp.example ended 1 day ago");
    }

    #[test]
    fn commands_name_the_configuration_where_it_is_not_the_usual_one() {
        for (config, expected) in [
            (CONFIG_DEFAULT, "seatsync plan"),
            ("/etc/seatsync/emea.toml", "seatsync plan -c /etc/seatsync/emea.toml"),
            ("/srv/it's here.toml", r"seatsync plan -c '/srv/it'\''s here.toml'"),
        ] {
            let about = About { config: PathBuf::from(config), ..about() };
            assert_eq!(written(&held_losses(), &about, at(NOW)).body["todo"], expected);
        }
    }

    #[test]
    fn addresses_and_passwords_in_reasons_are_masked() {
        for (text, expected) in [
            ("no such user: kim@corp.example", "no such user: ***@corp.example"),
            ("<kim.lee+x@corp.example>, (a@b.c)", "<***@corp.example>, (***@b.c)"),
            ("https://user:hunter2@proxy:3128/ failed", "***@proxy:3128/ failed"),
            ("mail=k\u{f6}nig@b\u{fc}cher.example;x", "***@b\u{fc}cher.example;x"),
            ("two\nlines\r\nBcc: a@b", "two lines Bcc: ***@b"),
            ("a@b@c", "***@c"),
        ] {
            assert_eq!(masked(text, REASON_CHARS_MAX), expected);
        }
        assert_eq!(masked(&"x".repeat(2_000), REASON_CHARS_MAX).chars().count(), REASON_CHARS_MAX + 1);
    }

    proptest! {
        #[test]
        fn no_text_of_others_breaks_a_line_or_names_a_person(
            reason in "(\\PC|[\\r\\n\\t ,;<>]|[a-z]{1,6}@[a-z]{1,6}\\.example){0,40}",
            name in "\\PC{0,150}",
        ) {
            let about = About { host: name.clone(), instance: name.clone(), account: name, ..about() };
            let Message { event: _, body, subject, text } = written(&failing(&reason), &about, at(NOW));
            prop_assert!(!subject.contains(['\r', '\n']));
            let told = body["facts"]["reason"].as_str().unwrap();
            prop_assert!(told.chars().count() <= REASON_CHARS_MAX + 1 && text.contains(told));
            for (before, _) in told.match_indices('@') {
                prop_assert!(told[..before].ends_with("***"), "{}", told);
            }
        }
    }
}
