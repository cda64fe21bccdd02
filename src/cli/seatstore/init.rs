//! `seatstore init`: a commented starter configuration.

use super::show::document;
use crate::cli::exit::{Exit, Stop};
use crate::cli::show::say;
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// The configuration that is tried in the source tree.
const TRIED: &str = include_str!("../../../config/seatstore.toml");

/// Its lines about trying, and what a service has instead; the paths are the defaults.
const OF_A_SERVICE: [(&str, &str); 4] = [
    (
        "# seatstore: the account store as a server. It starts as it is, on this machine alone:\n\
         #\n\
         #     cargo run --release --bin seatstore -- serve -c config/seatstore.toml\n\
         #\n\
         # All it writes is below target/seatstore: delete that folder to begin anew. For a service take /var/lib/seatstore and\n\
         # /etc/seatstore instead, which are the defaults.\n",
        "# seatstore: the account store as a server, on this machine alone as it stands here.\n",
    ),
    ("../target/seatstore/book", "/var/lib/seatstore/book"),
    ("../target/seatstore/keys.toml", "/etc/seatstore/keys.toml"),
    ("../target/seatstore/mail", "/var/lib/seatstore/mail"),
];

/// Where it is written when nobody says where: beside the operator, never over what the service reads.
const PATH_DEFAULT: &str = "seatstore.toml";

/// `seatstore init`. Never overwrites.
pub(super) fn init(path: Option<&Path>, json: bool) -> Result<Exit, Stop> {
    let path = path.unwrap_or(Path::new(PATH_DEFAULT));
    let failed = |error: std::io::Error| {
        Stop::Other(format!("the starter configuration could not be written to {}: {error}", path.display()))
    };
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(starter().as_bytes()).map_err(failed)?;
    if json {
        document(&json!({"answer": "init", "path": path}))?;
    } else {
        say(&format!("wrote {}; edit it, then: seatstore check -c {0}\n", path.display()))?;
    }
    Ok(Exit::Done)
}

/// The configuration of a service: outside the source tree there is no `../target`.
fn starter() -> String {
    OF_A_SERVICE.iter().fold(TRIED.to_owned(), |text, (tried, of_a_service)| text.replace(tried, of_a_service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_keeps_nothing_in_a_source_tree() {
        for (tried, _) in OF_A_SERVICE {
            assert!(TRIED.contains(tried), "{tried}");
        }
        let starter = starter();
        assert!(!starter.contains("target") && !starter.contains("cargo"), "{starter}");
    }
}
