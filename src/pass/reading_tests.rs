//! From which reads a roster comes, and what is noticed on the way.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::model::{Delta, Dn, Mailbox, Memory, ObjectGuid, Origin, Person, Reading, Rules};
use std::collections::VecDeque;

/// Answers as it was told, and notes from where on it was asked.
#[derive(Default)]
struct Scripted {
    answers: VecDeque<Result<Read, DirectoryError>>,
    asked: Vec<Option<u8>>,
}

impl Directory for Scripted {
    async fn read(&mut self, _: &Wanted<'_>, since: Option<&Cursor>) -> Result<Read, DirectoryError> {
        self.asked.push(since.map(|cursor| cursor.as_bytes()[0]));
        self.answers.pop_front().unwrap()
    }
}

fn person(number: u128) -> Person {
    Person {
        guid: ObjectGuid::from_u128(number),
        dn: Dn::new(&format!("CN={number},DC=x")),
        account_name: None,
        mailbox: Mailbox::Missing,
        disabled: false,
        expires: None,
        sid: None,
        primary_group_rid: None,
        details: None,
    }
}

fn read(news: News, cursor: u8) -> Result<Read, DirectoryError> {
    Ok(Read { news, cursor: Some(Cursor::new(vec![cursor])) })
}

fn reading(people: &[u128]) -> Reading {
    Reading { people: people.iter().map(|number| person(*number)).collect(), ..Reading::default() }
}

fn whole(people: &[u128], cursor: u8) -> Result<Read, DirectoryError> {
    read(News::Whole(reading(people)), cursor)
}

fn changed(people: &[u128], cursor: u8) -> Result<Read, DirectoryError> {
    read(News::Changed(Delta { people: reading(people).people, ..Delta::default() }), cursor)
}

fn broken() -> Result<Read, DirectoryError> {
    Err(DirectoryError::Incomplete { message: "it broke off".to_owned() })
}

/// What a read is asked for.
#[derive(Clone, Copy)]
enum Ask {
    Usual,
    Anew,
    Whole,
}

/// Runs reads, five minutes apart; gives the numbers of the people each found, and the warnings.
async fn reads(
    asks: &[Ask],
    answers: Vec<Result<Read, DirectoryError>>,
) -> (Vec<Option<usize>>, Vec<Option<u8>>, Vec<Warning>) {
    let mut directory = Scripted { answers: answers.into(), ..Scripted::default() };
    let (rules, memory) = (Rules::default(), Memory::empty(Origin::Known));
    let mut kept = Kept::default();
    let (mut found, mut warnings) = (Vec::new(), Vec::new());
    for (ask, five_minutes) in asks.iter().zip(0..) {
        let wanted =
            Wanted { rules: &rules, memory: &memory, names: &[], accounts: &[], whole: matches!(ask, Ask::Whole) };
        let at = Timestamp::from_second(five_minutes * 300).unwrap();
        match roster(&mut directory, &mut kept, &wanted, matches!(ask, Ask::Anew), at).await {
            Ok((roster, warning)) => {
                found.push(Some(roster.people().len()));
                warnings.extend(warning);
            }
            Err(_) => found.push(None),
        }
    }
    assert!(directory.answers.is_empty(), "{} answers are left", directory.answers.len());
    (found, directory.asked, warnings)
}

#[tokio::test]
async fn what_changes_is_followed_from_where_the_last_read_ended() {
    let answers = vec![whole(&[1, 2], 1), changed(&[], 2), changed(&[3], 3), changed(&[4], 4)];
    let (found, asked, warnings) = reads(&[Ask::Usual; 4], answers).await;
    assert_eq!(found, [Some(2), Some(2), Some(3), Some(4)]);
    assert_eq!(asked, [None, Some(1), Some(2), Some(3)]);
    assert_eq!(warnings, []);
}

#[tokio::test]
async fn a_read_that_fails_leaves_nothing_to_go_on_from() {
    let answers = vec![whole(&[1], 1), broken(), whole(&[1, 2], 2), changed(&[3], 3)];
    let (found, asked, _) = reads(&[Ask::Usual; 4], answers).await;
    assert_eq!(found, [Some(1), None, Some(2), Some(3)]);
    assert_eq!(asked, [None, Some(1), None, Some(2)]);
}

#[tokio::test]
async fn a_directory_without_cursors_is_read_whole_each_time() {
    let without = |people: &[u128]| Ok(Read::whole(reading(people)));
    let (found, asked, _) = reads(&[Ask::Usual, Ask::Usual], vec![without(&[1]), without(&[1, 2])]).await;
    assert_eq!((found, asked), (vec![Some(1), Some(2)], vec![None, None]));
}

#[tokio::test]
async fn changes_without_a_beginning_are_no_reading() {
    let (found, _, _) = reads(&[Ask::Usual], vec![changed(&[1], 1)]).await;
    assert_eq!(found, [None]);
}

#[tokio::test]
async fn once_an_hour_it_is_read_from_the_beginning_and_compared() {
    let mut answers = vec![whole(&[1], 1)];
    answers.extend((2..=12).map(|cursor| changed(&[], cursor)));
    // Caught up first; then from the beginning, with a person that was never told of; then nothing has changed meanwhile.
    answers.extend([changed(&[2], 13), whole(&[1, 2, 3], 14), changed(&[], 15), changed(&[4], 16)]);
    let (found, asked, warnings) = reads(&[Ask::Usual; 14], answers).await;
    assert_eq!(found[11..], [Some(1), Some(3), Some(4)]);
    assert_eq!(asked[11..], [Some(11), Some(12), None, Some(13), Some(14)]);
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(warning.kind, WarningKind::ReadDiffers);
    assert!(warning.message.contains("CN=3,DC=x") && !warning.message.contains("CN=2,DC=x"), "{}", warning.message);
    assert!(warning.message.contains("1970-01-01T00:00:00Z"), "{}", warning.message);
}

#[tokio::test]
async fn whoever_is_to_decide_is_shown_what_is_read_from_the_beginning() {
    let answers = vec![whole(&[1], 1), changed(&[], 2), whole(&[1, 2], 3), changed(&[], 4), changed(&[3], 5)];
    let (found, asked, warnings) = reads(&[Ask::Usual, Ask::Anew, Ask::Usual], answers).await;
    assert_eq!((found, asked), (vec![Some(1), Some(2), Some(3)], vec![None, Some(1), None, Some(2), Some(3)]));
    assert_eq!(warnings.len(), 1);
    // Not everybody need be read for it.
    let mapped = |cursor| read(News::Mapped(reading(&[1])), cursor);
    let (_, asked, _) = reads(&[Ask::Usual, Ask::Anew], vec![mapped(1), mapped(2)]).await;
    assert_eq!(asked, [None, None]);
}

#[tokio::test]
async fn an_audit_compares_as_well_and_finds_nothing_where_nothing_is() {
    let answers = vec![whole(&[1], 1), changed(&[2], 2), whole(&[1, 2], 3)];
    let (found, asked, warnings) = reads(&[Ask::Usual, Ask::Whole], answers).await;
    assert_eq!((found, asked), (vec![Some(1), Some(2)], vec![None, Some(1), None]));
    assert_eq!(warnings, []);
}

#[tokio::test]
async fn what_changes_while_it_is_compared_is_no_mistake() {
    for meanwhile in [changed(&[3], 4), broken(), whole(&[1, 3], 4)] {
        let answers = vec![whole(&[1], 1), changed(&[], 2), whole(&[1, 3], 3), meanwhile];
        let (found, asked, warnings) = reads(&[Ask::Usual, Ask::Whole], answers).await;
        assert_eq!((found, asked), (vec![Some(1), Some(2)], vec![None, Some(1), None, Some(2)]));
        assert_eq!(warnings, []);
    }
}

#[tokio::test]
async fn a_comparison_that_cannot_be_made_fails_no_read() {
    for catching_up in [broken(), whole(&[1], 2)] {
        let answers = vec![whole(&[1], 1), catching_up, whole(&[1, 2], 3)];
        let (found, _, warnings) = reads(&[Ask::Usual, Ask::Whole], answers).await;
        assert_eq!((found, warnings), (vec![Some(1), Some(2)], vec![]));
    }
    // What was read for the mapping alone cannot be held against the whole.
    let answers = vec![read(News::Mapped(reading(&[1])), 1), whole(&[1, 2], 3)];
    let (found, _, warnings) = reads(&[Ask::Usual, Ask::Whole], answers).await;
    assert_eq!((found, warnings), (vec![Some(1), Some(2)], vec![]));
}
