//! Who may use the socket: root, the user that the daemon runs as, and the members of one group.
//!
//! The kernel says who is at the other end (`SO_PEERCRED`, unix(7)), and the file's mode keeps others away before; this is
//! the second lock, since a mode is soon changed.

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist, getgroups};
use std::ffi::CString;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user id.
    pub uid: u32,
    /// As the operating system names them.
    pub name: String,
}

/// Why somebody is not let in, or why the group cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Neither root, nor the service, nor of the group.
    #[error("{name} may not use the control socket: {help}")]
    Stranger {
        /// Who.
        name: String,
        /// What would help.
        help: String,
    },
    /// The group is not there, or the system does not say.
    #[error("[status] control_group: {0}")]
    Group(String),
}

/// The group that the package makes for operators.
const USUAL_GROUP: &str = "seatsync";

/// The group whose members may ask where nobody named one: the one the package makes, if this process belongs to it, as the
/// service does. Asks the system's databases, so it may block.
pub fn usual_group() -> Option<String> {
    let group = Group::from_name(USUAL_GROUP).ok().flatten()?;
    let belongs = getegid() == group.gid || getgroups().is_ok_and(|groups| groups.contains(&group.gid));
    belongs.then(|| USUAL_GROUP.to_owned())
}

/// Decides who may ask.
#[derive(Clone, Debug)]
pub struct Gatekeeper {
    own: Uid,
    group: Option<(Gid, String)>,
}

impl Gatekeeper {
    /// For this process and the group of that name. Asks the system's databases, so it may block.
    ///
    /// # Errors
    /// [`PeerError::Group`].
    pub fn new(group: Option<&str>) -> Result<Self, PeerError> {
        let found = group.map(|name| match Group::from_name(name) {
            Ok(Some(group)) => Ok((group.gid, name.to_owned())),
            Ok(None) => Err(PeerError::Group(format!(
                "there is no group {name:?} on this machine: groupadd --system {name}, or take the line out"
            ))),
            Err(error) => Err(PeerError::Group(format!("the group {name:?} cannot be looked up: {error}"))),
        });
        Ok(Self { own: geteuid(), group: found.transpose()? })
    }

    /// The group that the socket is given to.
    pub(super) fn gid(&self) -> Option<u32> {
        self.group.as_ref().map(|(gid, _)| gid.as_raw())
    }

    /// Lets somebody in, or not. Asks the system's databases, so it may block.
    ///
    /// # Errors
    /// [`PeerError::Stranger`].
    pub fn admit(&self, uid: u32, gid: u32) -> Result<Caller, PeerError> {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let name = user.as_ref().map_or_else(|| format!("uid {uid}"), |user| format!("{} (uid {uid})", user.name));
        let groups = || {
            // Without an entry in the database there are no further groups.
            let user = user.as_ref()?;
            getgrouplist(&CString::new(user.name.as_str()).ok()?, user.gid).ok()
        };
        if uid == 0 || Uid::from_raw(uid) == self.own || self.has_member(Gid::from_raw(gid), groups) {
            return Ok(Caller { uid, name });
        }
        let help = match &self.group {
            Some((_, group)) => format!("run the command as root, or join the group: adduser NAME {group}"),
            None => "run the command as root, or name a group in [status] control_group".to_owned(),
        };
        Err(PeerError::Stranger { name, help })
    }

    fn has_member(&self, gid: Gid, groups: impl FnOnce() -> Option<Vec<Gid>>) -> bool {
        let Some((wanted, _)) = &self.group else { return false };
        gid == *wanted || groups().is_some_and(|groups| groups.contains(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper(own: u32, group: Option<u32>) -> Gatekeeper {
        let group = group.map(|gid| (Gid::from_raw(gid), "operators".to_owned()));
        Gatekeeper { own: Uid::from_raw(own), group }
    }

    #[test]
    fn root_the_service_and_the_group_are_let_in_and_nobody_else() {
        let of_group = keeper(61_184, Some(4_000_000));
        assert!(of_group.admit(0, 0).is_ok());
        assert!(of_group.admit(61_184, 61_184).is_ok());
        assert!(of_group.admit(4_100_000, 4_000_000).is_ok(), "by the group it runs with");
        let told = of_group.admit(4_100_000, 4_100_000).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("uid 4100000") && told.contains("operators"), "{told}");
        assert!(keeper(61_184, None).admit(4_100_000, 61_184).is_err(), "without a group no group helps");
    }

    #[test]
    fn further_groups_count() {
        let keeper = keeper(61_184, Some(27));
        assert!(keeper.has_member(Gid::from_raw(1_000), || Some(vec![Gid::from_raw(1_000), Gid::from_raw(27)])));
        assert!(!keeper.has_member(Gid::from_raw(1_000), || Some(vec![Gid::from_raw(1_000)])));
        assert!(!keeper.has_member(Gid::from_raw(1_000), || None));
    }

    #[test]
    fn a_group_that_is_not_there_is_named() {
        let told = Gatekeeper::new(Some("no-such-group-here")).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("no-such-group-here") && told.contains("groupadd"), "{told}");
        assert!(Gatekeeper::new(Some("root")).is_ok() && Gatekeeper::new(None).is_ok());
    }
}
