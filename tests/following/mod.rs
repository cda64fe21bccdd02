//! What follows a directory and what reads it anew, side by side: both must know the same after every change.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use seatsync::decide::fingerprint::Differences;
use seatsync::decide::{Fingerprint, NeedsWhole, Roster, absorb, follow};
use seatsync::directory::ldap::{Ldap, LdapSettings};
use seatsync::directory::{Cursor, Directory, Read};
use seatsync::model::{
    Delta, Email, Group, GroupChange, Holding, Member, MemberChange, Memory, Meter, News, ObjectGuid, Origin, Person,
    Reading, Rules, Seat, UserId, Wanted,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

/// People and groups by identity, with the members of each group as a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub people: BTreeMap<ObjectGuid, Person>,
    pub groups: BTreeMap<ObjectGuid, (Group, BTreeSet<Member>)>,
}

impl Known {
    /// As read.
    pub fn of(reading: Reading) -> Self {
        let people = reading.people.into_iter().map(|person| (person.guid, person)).collect();
        let groups = reading.groups.into_iter().map(|mut group| {
            let members = std::mem::take(&mut group.members).into_iter().collect();
            (group.guid, (group, members))
        });
        Self { people, groups: groups.collect() }
    }

    /// What a delta says, word for word.
    pub fn take_in(&mut self, delta: Delta) {
        let Delta { people, groups, gone, hidden } = delta;
        for guid in gone.iter().chain(&hidden) {
            self.people.remove(guid);
            self.groups.remove(guid);
        }
        self.people.extend(people.into_iter().map(|person| (person.guid, person)));
        for GroupChange { group, members } in groups {
            assert!(group.members.is_empty(), "{group:?}");
            let (_, before) = self.groups.remove(&group.guid).unwrap_or((group.clone(), BTreeSet::new()));
            let now = match members {
                MemberChange::All(members) => members.into_iter().collect(),
                MemberChange::Some { added, removed } => {
                    assert!(added.iter().all(|member| !removed.contains(member)), "{added:?} {removed:?}");
                    let mut now = before;
                    now.retain(|member| !removed.contains(member));
                    now.extend(added);
                    now
                }
            };
            self.groups.insert(group.guid, (group, now));
        }
        for (_, members) in self.groups.values_mut() {
            members.retain(|member| match member {
                Member::Guid(guid) | Member::Foreign(guid) => !gone.contains(guid),
                Member::Dn(_) | Member::Uid(_) => true,
            });
        }
    }
}

/// What a read may ask that finds nothing changed, on a new connection.
const ROUND_TRIPS_MAX: usize = 3;

/// How many people, groups, gone and hidden a delta names.
pub fn counts(delta: &Delta) -> [usize; 4] {
    [delta.people.len(), delta.groups.len(), delta.gone.len(), delta.hidden.len()]
}

/// What a read after a change brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// What has changed.
    Changed(Delta),
    /// Everything, anew.
    Whole,
}

/// One directory, read again and again.
pub struct Follower {
    runtime: Runtime,
    ldap: Ldap,
    settings: LdapSettings,
    cursor: Option<Cursor>,
    pub known: Known,
    roster: Option<Roster>,
    memory: Memory,
    told: Arc<Mutex<Vec<&'static str>>>,
}

/// So many people with an account that to look them up would cost more than to read everything.
fn crowd() -> Memory {
    let holding = |number: u128| {
        let email = Email::parse(&format!("p{number}@elsewhere.test")).unwrap();
        (ObjectGuid::from_u128(number), Holding { id: UserId::new(&number.to_string()), email, seat: Seat::Vacant })
    };
    Memory { snapshot: (1..=10_000).map(holding).collect(), ..Memory::empty(Origin::Known) }
}

impl Follower {
    /// After the first read.
    pub fn start(settings: LdapSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = told.clone();
        let meter = Meter::new(move |exchange| list.lock().unwrap().push(exchange.operation));
        let ldap = Ldap::new(LdapSettings { meter, ..settings.clone() }).following();
        let (known, memory) = (Known::default(), crowd());
        let mut follower = Self { runtime, ldap, settings, cursor: None, known, roster: None, memory, told };
        assert_eq!(follower.read(), Came::Whole);
        follower
    }

    /// Reads what has changed, if it can be followed.
    pub fn read(&mut self) -> Came {
        self.told.lock().unwrap().clear();
        let rules = Rules::default();
        let wanted = Wanted { rules: &rules, memory: &self.memory, names: &[], accounts: &[], whole: false };
        let since = self.cursor.take();
        let Read { news, cursor } = self.runtime.block_on(self.ldap.read(&wanted, since.as_ref())).unwrap();
        self.cursor = cursor;
        match news {
            News::Changed(delta) => match follow(self.roster.take().unwrap(), delta.clone()) {
                Ok(roster) => {
                    self.roster = Some(roster);
                    self.known.take_in(delta.clone());
                    Came::Changed(delta)
                }
                // A pass reads everything then, too.
                Err(NeedsWhole(_)) => {
                    self.cursor = None;
                    self.read()
                }
            },
            News::Whole(reading) => {
                self.known = Known::of(reading.clone());
                self.roster = Some(absorb(reading));
                Came::Whole
            }
            News::Mapped(_) => panic!("more people are known than there are"),
        }
    }

    /// The same, and what is known then is what somebody knows who reads everything.
    pub fn read_and_compare(&mut self, what: &str) -> Came {
        let came = self.read();
        let whole = self.runtime.block_on(Ldap::new(self.settings.clone()).read_whole()).unwrap();
        let (whole, roster) = (Known::of(whole.clone()), absorb(whole));
        if self.known != whole {
            for (guid, person) in &whole.people {
                let mine = self.known.people.get(guid);
                assert_eq!(mine, Some(person), "after {what}: {came:?}");
            }
            for (guid, group) in &whole.groups {
                let mine = self.known.groups.get(guid);
                assert_eq!(mine, Some(group), "after {what}: {came:?}");
            }
            let people: Vec<_> =
                self.known.people.values().filter(|one| !whole.people.contains_key(&one.guid)).collect();
            let groups: Vec<_> = self.known.groups.keys().filter(|one| !whole.groups.contains_key(one)).collect();
            panic!("after {what}: too many: {people:?} {groups:?}");
        }
        let differences = Fingerprint::of(self.roster.as_ref().unwrap()).differences(&roster);
        assert_eq!(differences, Differences::default(), "after {what}: {came:?}");
        came
    }

    /// A change that can be followed; gives what was told of it.
    pub fn assert_followed(&mut self, what: &str) -> Delta {
        match self.read_and_compare(what) {
            Came::Changed(delta) => delta,
            Came::Whole => panic!("{what} was not followed"),
        }
    }

    /// Nothing is found changed, time and again, by one question; by a few on a new connection.
    pub fn assert_nothing_changed(&mut self) {
        for _ in 0..3 {
            assert_eq!(self.read(), Came::Changed(Delta::default()));
            assert_eq!((self.round_trips(), self.connections()), (1, 0));
        }
        self.forget_connection();
        assert_eq!(self.read(), Came::Changed(Delta::default()));
        assert!(self.round_trips() <= ROUND_TRIPS_MAX, "{}", self.round_trips());
        assert_eq!(self.connections(), 1);
    }

    /// A change that makes a whole read.
    pub fn assert_whole(&mut self, what: &str) {
        assert_eq!(self.read_and_compare(what), Came::Whole, "{what}");
    }

    /// Requests of the latest read, connections apart.
    pub fn round_trips(&self) -> usize {
        self.told.lock().unwrap().iter().filter(|operation| **operation != "connect").count()
    }

    /// Connections of the latest read.
    pub fn connections(&self) -> usize {
        self.told.lock().unwrap().iter().filter(|operation| **operation == "connect").count()
    }

    /// Another cursor than the one given.
    pub fn twist_cursor(&mut self, twist: impl Fn(&[u8]) -> Vec<u8>) {
        self.cursor = self.cursor.take().map(|cursor| Cursor::new(twist(cursor.as_bytes())));
    }

    /// Whether the next read has something to go on from.
    pub fn has_cursor(&self) -> bool {
        self.cursor.is_some()
    }

    /// As if the process had been asleep for long: the open connection is lost.
    pub fn forget_connection(&mut self) {
        let told = self.told.clone();
        let meter = Meter::new(move |exchange| told.lock().unwrap().push(exchange.operation));
        self.ldap = Ldap::new(LdapSettings { meter, ..self.settings.clone() }).following();
    }

    /// The same directory with other settings, and the cursor of before.
    pub fn reconfigure(&mut self, settings: LdapSettings) {
        self.settings = settings;
        self.forget_connection();
    }
}
