//! A list put together from its pages (RFC 7644 3.4.2.4, RFC 9865), by what comes back and not by what was asked for. Pure.
//!
//! It is complete, or it is none: who is missing from a list would be taken for gone.

use super::abilities::Paging;
use crate::model::UserId;
use std::collections::HashSet;

/// Most pages of one list. A list that goes on has no end.
const PAGES_MAX: usize = 100_000;
/// Servers cut pages to round numbers, multiples of this.
const ROUND: usize = 10;

/// What to ask for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// From this user on, counted from 1.
    Index(usize),
    /// From this cursor on; `None` begins.
    Cursor(Option<String>),
}

/// Why a list is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// It changed while it was read: reading it again helps.
    Changed(String),
    /// Reading it again helps nothing.
    Broken(String),
}

/// A list under way.
#[derive(Debug)]
pub(super) struct Walk {
    paging: Paging,
    /// What one of it is called, for errors: `user`.
    what: &'static str,
    seen: HashSet<UserId>,
    cursors: HashSet<String>,
    pages: usize,
    total: Option<usize>,
    /// The list said that its only page is all of it, and is asked for one more.
    is_tried: bool,
}

impl Walk {
    pub(super) fn new(paging: Paging) -> Self {
        Self::of(paging, "user")
    }

    /// A list of something else than users: what one of it is called.
    pub(super) fn of(paging: Paging, what: &'static str) -> Self {
        Self { paging, what, seen: HashSet::new(), cursors: HashSet::new(), pages: 0, total: None, is_tried: false }
    }

    /// The first page.
    pub(super) fn first(&self) -> Ask {
        match self.paging {
            Paging::Index => Ask::Index(1),
            Paging::Cursor => Ask::Cursor(None),
        }
    }

    /// How many pages were read.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// Takes the keys of a page, how many users it says there are, and where it says that it goes on. Gives what to ask for
    /// next, or nothing at the end, and how many of the page's keys count: all of them, or none.
    pub(super) fn take(
        &mut self,
        keys: &[UserId],
        total: Option<usize>,
        next_cursor: Option<String>,
    ) -> Result<(Option<Ask>, bool), Odd> {
        let what = self.what;
        self.pages += 1;
        if self.pages > PAGES_MAX {
            return Err(Odd::Broken(format!("it has not ended after {PAGES_MAX} pages")));
        }
        if self.is_tried && keys.iter().all(|key| self.seen.contains(key)) {
            // Nothing more, or the first page over again: it was all.
            return Ok((None, false));
        }
        if let (Some(before), Some(now)) = (self.total, total)
            && before != now
        {
            let message = format!("it said that there are {before} {what}s, and then {now}");
            return Err(Odd::Changed(message));
        }
        self.total = self.total.or(total);
        for key in keys {
            if !self.seen.insert(key.clone()) {
                return Err(Odd::Changed(format!("it lists {what} {key} twice")));
            }
        }
        if let Some(total) = self.total
            && self.seen.len() > total
        {
            let message = format!("it says that there are {total} {what}s, and gives more");
            return Err(Odd::Changed(message));
        }
        let next = match self.paging {
            Paging::Index => self.next_index(keys.len()),
            Paging::Cursor => self.next_cursor(next_cursor)?,
        };
        match (&next, self.total) {
            (None, Some(total)) if self.seen.len() < total => Err(Odd::Changed(format!(
                "it is incomplete: it says that there are {total} {what}s, and gave {} and then no more",
                self.seen.len()
            ))),
            _ => Ok((next, true)),
        }
    }

    fn next_index(&mut self, came: usize) -> Option<Ask> {
        let next = Some(Ask::Index(self.seen.len() + 1));
        match self.total {
            _ if came == 0 => None,
            // A page that was cut, and its size called the number of all, looks the same as a list that ends here.
            Some(total) if self.seen.len() == total && self.pages == 1 && came.is_multiple_of(ROUND) => {
                self.is_tried = true;
                next
            }
            Some(total) if self.seen.len() >= total => None,
            Some(_) | None => next,
        }
    }

    fn next_cursor(&mut self, next: Option<String>) -> Result<Option<Ask>, Odd> {
        match next {
            None => Ok(None),
            Some(next) if self.cursors.insert(next.clone()) => Ok(Some(Ask::Cursor(Some(next)))),
            Some(_) => Err(Odd::Broken("it gives the same cursor twice, and so would never end".to_owned())),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A server with that many users, which gives at most `cap` a page and says that there are `says`.
    fn read(users: usize, cap: usize, says: impl Fn(usize) -> Option<usize>) -> Result<usize, Odd> {
        let mut walk = Walk::new(Paging::Index);
        let (mut ask, mut got) = (walk.first(), 0);
        loop {
            let Ask::Index(start) = ask else { panic!("{ask:?}") };
            let keys: Vec<UserId> =
                (start..=users).take(cap).map(|number| UserId::new(&format!("u{number}"))).collect();
            let (next, counts) = walk.take(&keys, says(keys.len()), None)?;
            got += if counts { keys.len() } else { 0 };
            match next {
                Some(next) => ask = next,
                None => return Ok(got),
            }
        }
    }

    proptest! {
        #[test]
        fn a_list_is_complete_whatever_a_page_brings(users in 0_usize..500, cap in 1_usize..120, tells: bool) {
            prop_assert_eq!(read(users, cap, |_| tells.then_some(users)), Ok(users));
        }

        #[test]
        fn a_list_that_ends_early_is_no_list(users in 0_usize..300, cap in 1_usize..120, more in 1_usize..50) {
            let odd = read(users, cap, |_| Some(users + more)).unwrap_err();
            let Odd::Changed(why) = odd else { panic!("{odd:?}") };
            prop_assert!(why.contains("incomplete"), "{}", why);
        }
    }

    #[test]
    fn a_page_that_calls_itself_all_is_not_believed_at_once() {
        // Fifty of 120, and "there are 50": the next page is asked for, and shows that this was wrong.
        let more = "it says that there are 50 users, and gives more".to_owned();
        assert_eq!(read(120, 50, Some), Err(Odd::Changed(more)));
        assert_eq!(read(50, 50, Some), Ok(50));
    }

    #[test]
    fn a_server_that_begins_again_is_noticed() {
        let mut walk = Walk::new(Paging::Index);
        let keys = [UserId::new("a"), UserId::new("b")];
        assert_eq!(walk.take(&keys, Some(4), None), Ok((Some(Ask::Index(3)), true)));
        assert_eq!(walk.take(&keys, Some(4), None), Err(Odd::Changed("it lists user a twice".to_owned())));
    }

    #[test]
    fn a_number_that_changes_means_reading_again() {
        let mut walk = Walk::new(Paging::Index);
        walk.take(&[UserId::new("a")], Some(3), None).unwrap();
        assert!(matches!(walk.take(&[UserId::new("b")], Some(2), None), Err(Odd::Changed(_))));
    }

    #[test]
    fn cursors_are_followed_to_their_end() {
        let mut walk = Walk::new(Paging::Cursor);
        let next = |cursor: &str| Some(Ask::Cursor(Some(cursor.to_owned())));
        assert_eq!(walk.first(), Ask::Cursor(None));
        assert_eq!(walk.take(&[UserId::new("a")], None, Some("x".to_owned())), Ok((next("x"), true)));
        assert_eq!(walk.take(&[], None, Some("y".to_owned())), Ok((next("y"), true)));
        assert!(matches!(walk.take(&[UserId::new("b")], None, Some("x".to_owned())), Err(Odd::Broken(_))));
        let mut walk = Walk::new(Paging::Cursor);
        assert_eq!(walk.take(&[UserId::new("a")], Some(1), None), Ok((None, true)));
        let mut walk = Walk::new(Paging::Cursor);
        assert!(matches!(walk.take(&[UserId::new("a")], Some(2), None), Err(Odd::Changed(_))), "incomplete");
    }
}
