//! What it costs to decode what a directory sends: messages to people and groups, from bytes that are there.
//!
//! `cargo bench --bench decode`. No check: nothing fails here because it is slow.

#![allow(clippy::unwrap_used)]

#[path = "parts/messages.rs"]
mod messages;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use messages::Messages;
use seatsync::directory::ldap::Sample;
use std::sync::LazyLock;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const PEOPLE: usize = 100_000;
static MESSAGES: LazyLock<Messages> = LazyLock::new(|| Messages::of(PEOPLE));

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn people(bencher: Bencher) {
    let messages = &MESSAGES.people;
    bencher.counter(ItemsCount::new(messages.len())).bench(|| {
        let mut sample = Sample::default();
        let decoded = black_box(messages).iter().map(|message| sample.person(message).unwrap());
        decoded.collect::<Vec<_>>()
    });
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn groups(bencher: Bencher) {
    let (sample, messages) = (Sample::default(), &MESSAGES.groups);
    bencher.counter(ItemsCount::new(messages.len())).bench(|| {
        let decoded = black_box(messages).iter().map(|message| sample.group(message).unwrap());
        decoded.collect::<Vec<_>>()
    });
}
