//! An address of 127.0.0.0/8 for one test alone: servers whose ports are fixed can then run side by side.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};

/// The ports Samba listens on that matter here: an address where one of them is taken is left alone.
const PORTS: [u16; 2] = [389, 636];

/// Held while the test runs; the operating system gives it back however the test ends.
pub struct Loopback {
    address: Ipv4Addr,
    _lock: File,
}

impl Loopback {
    /// The first address that neither another test nor another server has.
    pub fn claim() -> Self {
        for last in 1..=250 {
            let address = Ipv4Addr::new(127, 77, 0, last);
            let path = std::env::temp_dir().join(format!("seatsync-test-{address}.lock"));
            let lock = File::create(&path).unwrap_or_else(|error| panic!("create {}: {error}", path.display()));
            if lock.try_lock().is_ok() && PORTS.iter().all(|port| TcpListener::bind((address, *port)).is_ok()) {
                return Self { address, _lock: lock };
            }
        }
        panic!("no address 127.77.0.x has ports {PORTS:?} free; these tests need root, for those ports and for Samba");
    }

    /// The address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }
}
