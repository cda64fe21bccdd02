//! Answers as tables and as JSON, on stdout. All texts come from outside and are made safe for a terminal.

use crate::cli::exit::{Exit, Stop};
use crate::cli::show::{printable, say, time};
use crate::model::{Tier, Timestamp};
use crate::server::command::{
    AccountLine, AccountView, Answer, DomainState, DomainView, Failure, LicenceSeats, LogLine, UserView,
};
use crate::store::{Entry, EntryChange};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The version of the documents.
const FORMAT: u32 = 1;
/// Most characters of one value in the text of the audit log; JSON has all of it.
const VALUE_CHARS_MAX: usize = 60;

/// A JSON document: its members are a contract.
#[derive(Serialize)]
struct Document<'a, T> {
    format: u32,
    #[serde(flatten)]
    answer: &'a T,
}

/// Prints a document on stdout: whole, or not at all.
pub(super) fn document(answer: &impl Serialize) -> Result<(), Stop> {
    let document = Document { format: FORMAT, answer };
    let text = serde_json::to_string(&document).map_err(|error| Stop::Other(format!("no JSON: {error}")))?;
    say(&format!("{text}\n"))
}

/// Prints an answer; how the command ends.
pub(super) fn answer(answer: &Answer, json: bool) -> Result<Exit, Stop> {
    if json {
        document(answer)?;
    } else {
        say(&text(answer))?;
    }
    Ok(match answer {
        Answer::Batch { users, failed } if !failed.is_empty() => {
            if users.is_empty() {
                Exit::Failed
            } else {
                Exit::Partial
            }
        }
        _ => Exit::Done,
    })
}

/// Prints the link of an invitation.
pub(super) fn link(answer: &Answer, public_url: &str, json: bool) -> Result<Exit, Stop> {
    let Answer::Link { user, path } = answer else { return self::answer(answer, json) };
    let url = format!("{public_url}{path}");
    if json {
        document(&json!({"answer": "link", "user": user, "path": path, "url": url}))?;
    } else {
        say(&format!("{}\n", printable(&url)))?;
    }
    Ok(Exit::Done)
}

/// Rows under a heading.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn text(answer: &Answer) -> String {
    match answer {
        Answer::Account(account) => one_account(account),
        Answer::Accounts { accounts, next: _ } => accounts_text(accounts),
        Answer::Domain(domain) => one_domain(domain),
        Answer::Domains { domains } if domains.is_empty() => "no domains\n".to_owned(),
        Answer::Domains { domains } => domains_table(domains),
        Answer::User(user) => one_user(user),
        Answer::Users { users, next: _ } => {
            let many = users.len();
            let rows = if users.is_empty() { String::new() } else { users_table(users) };
            format!("{rows}{many} {}\n", if many == 1 { "user" } else { "users" })
        }
        Answer::Batch { users, failed } => batch(users, failed),
        Answer::Link { user: _, path } => format!("{}\n", printable(path)),
        Answer::Log { entries, next: _ } => log(entries),
        Answer::SignIn { email, allowed, account, licence: _, reason: _, message } => {
            let account = account.as_ref().map(|id| format!(", in account {}", printable(id))).unwrap_or_default();
            let no = if *allowed { "" } else { "no: " };
            format!("{}: {no}{}{account}\n", printable(email.as_str()), printable(message))
        }
    }
}

fn optional<T>(value: Option<&T>, shown: impl Fn(&T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), shown)
}

fn when(at: Option<Timestamp>) -> String {
    optional(at.as_ref(), |at| time(*at))
}

fn licence(licence: Option<&Tier>) -> String {
    optional(licence, |licence| licence.name().to_owned())
}

/// Lines of a name and a value.
fn sheet(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines.iter().fold(String::new(), |mut text, (name, value)| {
        _ = writeln!(text, "{name:<width$}  {}", printable(value));
        text
    })
}

fn accounts_text(accounts: &[AccountLine]) -> String {
    if accounts.is_empty() {
        return "no accounts: make one with `seatstore account create`\n".to_owned();
    }
    let row = |line: &AccountLine| {
        let AccountLine { id, name, kind, users, created_at, closed_at } = line;
        vec![id.clone(), name.clone(), kind.clone(), users.to_string(), time(*created_at), when(*closed_at)]
    };
    let rows: Vec<_> = accounts.iter().map(row).collect();
    table(&["id", "name", "kind", "users", "created", "deleted"], &rows)
}

fn one_account(account: &AccountView) -> String {
    let AccountView {
        id,
        name,
        kind,
        default_licence,
        licences,
        without_licence,
        invited,
        billable,
        users,
        domains,
        created_at,
        closed_at,
    } = account;
    let mut text = sheet(&[
        ("account", id.clone()),
        ("name", name.clone()),
        ("kind", kind.clone()),
        ("default licence", licence(default_licence.as_ref())),
        ("users", users.to_string()),
        ("invited", invited.to_string()),
        ("billable", billable.to_string()),
        ("no licence", without_licence.to_string()),
        ("created", time(*created_at)),
        ("deleted", when(*closed_at)),
    ]);
    let row = |seats: &LicenceSeats| {
        let LicenceSeats { licence, active, suspended } = seats;
        vec![licence.name().to_owned(), active.to_string(), suspended.to_string()]
    };
    let rows: Vec<_> = licences.iter().map(row).collect();
    _ = write!(text, "\n{}", table(&["licence", "active", "suspended"], &rows));
    if !domains.is_empty() {
        _ = write!(text, "\n{}", domains_table(domains));
    }
    text
}

fn domains_table(domains: &[DomainView]) -> String {
    let row = |view: &DomainView| {
        let DomainView { domain, state, record, at } = view;
        vec![domain.clone(), state.to_string(), when(*at), optional(record.as_ref(), String::clone)]
    };
    let rows: Vec<_> = domains.iter().map(row).collect();
    table(&["domain", "state", "since", "TXT record to show"], &rows)
}

fn one_domain(view: &DomainView) -> String {
    let domain = printable(&view.domain);
    match (view.state, &view.record) {
        (DomainState::Claimed, record) => format!(
            "{domain} is claimed. Add this TXT record to the domain itself, then: seatstore domain verify {domain}\n\n  \
             {domain}.  TXT  \"{}\"\n",
            printable(record.as_deref().unwrap_or_default())
        ),
        (DomainState::Verified, _) => format!("{domain} is verified\n"),
        (DomainState::Released, _) => {
            format!("{domain} is released: who registered before is out until it is verified again\n")
        }
    }
}

fn users_table(users: &[UserView]) -> String {
    let row = |user: &UserView| {
        vec![
            user.email.to_string(),
            user.status.to_string(),
            licence(user.licence.as_ref()),
            user.id.clone(),
            optional(user.display_name.as_ref(), String::clone),
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    table(&["email", "status", "licence", "id", "name"], &rows)
}

fn one_user(user: &UserView) -> String {
    let UserView {
        id,
        account,
        email,
        status,
        licence: held,
        display_name,
        shared_device,
        external,
        user_name,
        deleted_by_client,
        invited_at,
        invitations,
        mail,
        registered_at,
        signed_out_at,
    } = user;
    sheet(&[
        ("email", email.to_string()),
        ("id", id.clone()),
        ("account", account.clone()),
        ("status", if *deleted_by_client { format!("{status}: deleted by a SCIM client") } else { status.to_string() }),
        ("licence", licence(held.as_ref())),
        ("name", optional(display_name.as_ref(), String::clone)),
        ("kind", if *shared_device { "shared device" } else { "person" }.to_owned()),
        ("user name", optional(user_name.as_ref(), String::clone)),
        ("known as", optional(external.as_ref(), String::clone)),
        ("invited", when(*invited_at)),
        ("invitations", invitations.to_string()),
        ("mail", optional(mail.as_ref(), String::clone)),
        ("registered", when(*registered_at)),
        ("signed out", when(*signed_out_at)),
    ])
}

fn batch(users: &[UserView], failed: &[Failure]) -> String {
    let mut text = if users.is_empty() { String::new() } else { users_table(users) };
    for Failure { who, code, message } in failed {
        _ = writeln!(text, "refused: {}: {} ({})", printable(who), printable(message), printable(code));
    }
    _ = match failed.len() {
        0 => writeln!(text, "{} done", users.len()),
        many => writeln!(text, "{} done, {many} refused", users.len()),
    };
    text
}

fn log(entries: &[LogLine]) -> String {
    if entries.is_empty() {
        return "no entries\n".to_owned();
    }
    let mut rows = Vec::new();
    for LogLine { number, entry } in entries {
        let Entry { at, by, operation, account, changes } = entry;
        for EntryChange { kind, id, email, before, after } in changes {
            let subject = email.as_ref().unwrap_or(id);
            rows.push(vec![
                number.to_string(),
                time(*at),
                by.clone(),
                operation.clone(),
                account.clone(),
                format!("{kind} {subject}"),
                difference(before, after),
            ]);
        }
    }
    table(&["number", "when", "by", "operation", "account", "what", "before -> after"], &rows)
}

/// The members that differ, in one line.
fn difference(before: &Value, after: &Value) -> String {
    let short = |value: Option<&Value>| {
        let text = match value {
            None | Some(Value::Null) => "-".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let is_long = text.chars().count() > VALUE_CHARS_MAX;
        if is_long { text.chars().take(VALUE_CHARS_MAX).chain(['…']).collect() } else { text }
    };
    match (before.as_object(), after.as_object()) {
        (None, None) => format!("{} -> {}", short(Some(before)), short(Some(after))),
        (Some(_), None) => "gone".to_owned(),
        (before, Some(after)) => {
            let told = |(name, value): (&String, &Value)| {
                let was = before.and_then(|before| before.get(name));
                // Of what is new, only what is set says something.
                (was.is_some() || !(value.is_null() || value == "")).then(|| match was {
                    Some(was) => format!("{name}: {} -> {}", short(Some(was)), short(Some(value))),
                    None => format!("{name}: {}", short(Some(value))),
                })
            };
            after.iter().filter_map(told).collect::<Vec<_>>().join(", ")
        }
    }
}
