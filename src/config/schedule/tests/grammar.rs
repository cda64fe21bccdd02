//! Random crontab lines, each with what it means. The meaning is known from how the line was made and not by reading
//! it, so that it can be held against readers.

use proptest::prelude::*;
use std::collections::BTreeSet;

/// What a field may hold; `names` count from `min`.
#[derive(Debug)]
pub(super) struct Shape {
    min: u32,
    max: u32,
    names: &'static [&'static str],
    /// Sunday is 0 and 7.
    last_is_first: bool,
}

pub(super) const SECOND: Shape = Shape { min: 0, max: 59, names: &[], last_is_first: false };
pub(super) const MINUTE: Shape = Shape { min: 0, max: 59, names: &[], last_is_first: false };
pub(super) const HOUR: Shape = Shape { min: 0, max: 23, names: &[], last_is_first: false };
pub(super) const DAY: Shape = Shape { min: 1, max: 31, names: &[], last_is_first: false };
pub(super) const MONTH: Shape = Shape { min: 1, max: 12, names: super::super::MONTH.names, last_is_first: false };
pub(super) const WEEKDAY: Shape = Shape { min: 0, max: 7, names: super::super::WEEKDAYS, last_is_first: true };

/// A field, or one item of its list.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// As we read it.
    pub(super) ours: String,
    /// As croner reads it, which knows neither ranges over the end nor names in full.
    pub(super) theirs: String,
    pub(super) values: BTreeSet<u32>,
}

impl Made {
    pub(super) fn begins_with_star(&self) -> bool {
        self.ours.starts_with('*')
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Value,
    Range,
    OverTheEnd,
    Star,
}

/// How a value is written: as a number, or as so many letters of its name.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    Digits,
    Lower(usize),
    Upper(usize),
}

impl Spelling {
    /// The three letters that every cron knows.
    fn short(self) -> Self {
        match self {
            Self::Digits => Self::Digits,
            Self::Lower(_) => Self::Lower(3),
            Self::Upper(_) => Self::Upper(3),
        }
    }
}

impl Shape {
    /// How many different values there are.
    fn size(&self) -> u32 {
        self.max - self.min + u32::from(!self.last_is_first)
    }

    fn same(&self, value: u32) -> u32 {
        (value - self.min) % self.size() + self.min
    }

    fn every(&self, first: u32, last: u32, step: u32) -> BTreeSet<u32> {
        (first..=last).step_by(step as usize).map(|value| self.same(value)).collect()
    }

    fn word(&self, value: u32, spelling: Spelling) -> String {
        let name = self.names.get((self.same(value) - self.min) as usize).copied();
        match (spelling, name) {
            (Spelling::Digits, _) | (_, None) => value.to_string(),
            (Spelling::Lower(letters), Some(name)) => name[..letters.min(name.len())].to_owned(),
            (Spelling::Upper(letters), Some(name)) => name[..letters.min(name.len())].to_ascii_uppercase(),
        }
    }

    fn value(&self, value: u32, spelling: Spelling) -> Made {
        Made {
            ours: self.word(value, spelling),
            theirs: self.word(value, spelling.short()),
            values: [self.same(value)].into(),
        }
    }

    fn star(&self, step: Option<u32>) -> Made {
        let text = step.map_or("*".to_owned(), |step| format!("*/{step}"));
        // The second name of Sunday is not another day to step on.
        let last = self.min + self.size() - 1;
        Made { ours: text.clone(), theirs: text, values: self.every(self.min, last, step.unwrap_or(1)) }
    }

    fn range(&self, first: u32, last: u32, step: Option<u32>, spellings: (Spelling, Spelling)) -> Made {
        // `SUN-SUN` is Sunday for us and the whole week for croner: see `intended_differences`.
        let alike = self.same(first) == self.same(last);
        let (one, other) = if alike { (Spelling::Digits, Spelling::Digits) } else { spellings };
        let behind = step.map_or(String::new(), |step| format!("/{step}"));
        let text = |one, other| format!("{}-{}{behind}", self.word(first, one), self.word(last, other));
        let ours = text(one, other);
        let step = step.unwrap_or(1);
        if first <= last {
            let theirs = text(one.short(), other.short());
            return Made { ours, theirs, values: self.every(first, last, step) };
        }
        let (first, last) = (self.same(first), self.same(last));
        let last = if first <= last { last } else { last + self.size() };
        let values = self.every(first, last, step);
        Made { ours, theirs: list(&values), values }
    }

    /// An item of a list.
    fn item(&'static self) -> impl Strategy<Value = Made> {
        let kind = prop_oneof![
            4 => Just(Kind::Value),
            5 => Just(Kind::Range),
            1 => Just(Kind::OverTheEnd),
            1 => Just(Kind::Star),
        ];
        let spelling = || {
            prop_oneof![
                Just(Spelling::Digits),
                (3_usize..10).prop_map(Spelling::Lower),
                (3_usize..10).prop_map(Spelling::Upper),
            ]
        };
        let value = || self.min..=self.max;
        (kind, value(), value(), prop::option::of(1..=self.size()), spelling(), spelling()).prop_map(
            move |(kind, a, b, step, one, other)| match kind {
                Kind::Value => self.value(a, one),
                Kind::Range => self.range(a.min(b), a.max(b), step, (one, other)),
                Kind::OverTheEnd => self.range(a.max(b), a.min(b), step, (one, other)),
                Kind::Star => self.star(Some(step.unwrap_or(2))),
            },
        )
    }

    /// A field: `*`, or a list.
    pub(super) fn field(&'static self) -> impl Strategy<Value = Made> {
        let items = prop::collection::vec(self.item(), 1..4).prop_map(|items| Made {
            ours: items.iter().map(|item| item.ours.as_str()).collect::<Vec<_>>().join(","),
            theirs: items.iter().map(|item| item.theirs.as_str()).collect::<Vec<_>>().join(","),
            values: items.into_iter().flat_map(|item| item.values).collect(),
        });
        prop_oneof![
            2 => Just(()).prop_map(|()| self.star(None)),
            1 => (1..=self.size()).prop_map(|step| self.star(Some(step))),
            3 => items,
        ]
    }
}

/// The values one by one.
pub(super) fn list(values: &BTreeSet<u32>) -> String {
    values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// Five fields.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) minute: Made,
    pub(super) hour: Made,
    pub(super) day: Made,
    pub(super) month: Made,
    pub(super) weekday: Made,
}

impl Line {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        (MINUTE.field(), HOUR.field(), DAY.field(), MONTH.field(), WEEKDAY.field())
            .prop_map(|(minute, hour, day, month, weekday)| Self { minute, hour, day, month, weekday })
    }

    /// As we read it.
    pub(super) fn ours(&self) -> String {
        let Self { minute, hour, day, month, weekday } = self;
        format!("{} {} {} {} {}", minute.ours, hour.ours, day.ours, month.ours, weekday.ours)
    }

    /// As croner reads it.
    pub(super) fn theirs(&self) -> String {
        let Self { minute, hour, day, month, weekday } = self;
        format!("{} {} {} {} {}", minute.theirs, hour.theirs, day.theirs, month.theirs, weekday.theirs)
    }

    /// Vixie's rule: a day must fit both fields as soon as one of them begins with an asterisk, else one is enough.
    pub(super) fn days_must_fit_both(&self) -> bool {
        self.day.begins_with_star() || self.weekday.begins_with_star()
    }

    /// An hour that begins with an asterisk follows the clock on the wall.
    pub(super) fn follows_clock(&self) -> bool {
        self.hour.begins_with_star()
    }
}
