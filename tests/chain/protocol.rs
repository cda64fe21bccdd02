//! What the agent and the server speak, and how the changes of a pass are named in it.

use crate::seatstore::Server;

/// Most people of one request of the Chime API (`wire::CREATE_ITEMS_MAX` and its like), written out: the tests hold the code
/// against them.
const CREATES: usize = 50;
const SUSPENSIONS: usize = 50;
const UPDATES: usize = 20;
const INVITATIONS: usize = 50;

/// The protocol between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Chime,
    Scim,
    /// The same with tiers that are groups.
    ScimGroups,
}

/// What is done to people, each to some of them in one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Create,
    Update,
    Suspend,
    Unsuspend,
    Invite,
}

impl Protocol {
    /// What must be there before the server runs.
    pub fn prepare(self, server: &Server, account: &str) {
        match self {
            Self::Chime => {}
            Self::Scim | Self::ScimGroups => server.write_scim_token(account),
        }
    }

    /// The `[accounts]` section of an agent.
    pub fn accounts_section(self, server: &Server, url: &str, account: &str) -> String {
        match self {
            Self::Chime => server.accounts_section(url, account),
            Self::Scim => server.scim_section(url, account),
            Self::ScimGroups => server.scim_section(url, account).replace("entitlements[licence]", "group"),
        }
    }

    /// Requests that change something in the account store, as the proxy names them.
    pub const fn changes(self) -> &'static [&'static str] {
        match self {
            Self::Chime => {
                &["BatchCreateUser", "BatchUpdateUser", "BatchSuspendUser", "BatchUnsuspendUser", "InviteUsers"]
            }
            Self::Scim => &["POST /Users", "PATCH /Users/{id}", "POST /Bulk of POST", "POST /Bulk of PATCH"],
            Self::ScimGroups => {
                &["POST /Users", "PATCH /Users/{id}", "POST /Bulk of POST", "POST /Bulk of PATCH", "PATCH /Groups/{id}"]
            }
        }
    }

    /// The fewest requests in which so many people, more than one, suffer that.
    pub fn fewest(self, change: Change, people: usize) -> Vec<(&'static str, usize)> {
        match (self, change) {
            (Self::Chime, Change::Create) => vec![("BatchCreateUser", people.div_ceil(CREATES))],
            (Self::Chime, Change::Update) => vec![("BatchUpdateUser", people.div_ceil(UPDATES))],
            (Self::Chime, Change::Suspend) => vec![("BatchSuspendUser", people.div_ceil(SUSPENSIONS))],
            (Self::Chime, Change::Unsuspend) => vec![("BatchUnsuspendUser", people.div_ceil(SUSPENSIONS))],
            (Self::Chime, Change::Invite) => vec![("InviteUsers", people.div_ceil(INVITATIONS))],
            // One alone, to see whether the licence is kept, and then the others.
            (Self::Scim | Self::ScimGroups, Change::Create) => vec![("POST /Users", 1), ("POST /Bulk of POST", 1)],
            // How many changes of members go with it depends on who is made at the same time.
            (Self::ScimGroups, Change::Update) => Vec::new(),
            (Self::Scim, Change::Update) | (Self::Scim | Self::ScimGroups, Change::Suspend | Change::Unsuspend) => {
                vec![("POST /Bulk of PATCH", 1)]
            }
            (Self::Scim | Self::ScimGroups, Change::Invite) => unreachable!("nobody is invited over SCIM"),
        }
    }
}
