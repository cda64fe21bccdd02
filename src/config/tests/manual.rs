//! The manual pages of the configuration files, which are written by hand.

use crate::config::check::SECTIONS;
use crate::config::ground::Sections;

/// The keys that a page does not have in bold in the section of their name.
pub(in crate::config) fn missing(page: &str, sections: &Sections) -> Vec<String> {
    let mut missing = Vec::new();
    for (_, header, keys) in sections {
        let begins = format!(".SH \"{header}\"\n");
        let section = page.split_once(&begins).map(|(_, rest)| rest.split("\n.SH ").next().unwrap_or_default());
        let bold: Vec<&str> = section
            .into_iter()
            .flat_map(str::lines)
            .filter_map(|line| line.strip_prefix("\\fB")?.strip_suffix("\\fR"))
            .flat_map(|keys| keys.split(", "))
            .collect();
        let absent = keys.iter().flat_map(|keys| keys.iter()).filter(|key| !bold.contains(key));
        missing.extend(absent.map(|key| format!("{header} {key}")));
    }
    missing
}

#[test]
fn the_manual_has_every_key() {
    assert_eq!(missing(include_str!("../../../man/seatsync.toml.5"), SECTIONS), Vec::<String>::new());
    assert!(missing("", SECTIONS).contains(&"[directory] urls".to_owned()));
}
