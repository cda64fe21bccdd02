//! What holds of the pace whatever comes, over minutes that pass in a moment.

use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// What became of changes at these times, each pass taking what `took` says: when each pass began and ended.
fn passes(changes: &[Duration], took: impl Fn(usize) -> Duration) -> Vec<(Duration, Duration)> {
    let began = Instant::now();
    let mut pace = Pace::new(began);
    let (mut changes, mut passes) = (changes.iter().peekable(), Vec::new());
    let mut running: Option<(Duration, Duration)> = None;
    loop {
        let due = pace.due().map(|due| due.saturating_duration_since(began));
        let next = [changes.peek().map(|at| **at), running.map(|(_, end)| end), due];
        let Some(now) = next.into_iter().flatten().min() else { return passes };
        if changes.next_if(|at| **at == now).is_some() {
            pace.changed(began + now);
        } else if let Some(pass) = running.take_if(|(_, end)| *end == now) {
            pace.passed(began + now, pass.1 - pass.0);
            passes.push(pass);
        } else {
            assert!(running.is_none(), "no poke during the pass of another");
            pace.poked();
            running = Some((now, now + took(passes.len())));
        }
    }
}

#[test]
fn a_change_on_a_quiet_directory_is_in_a_pass_at_once() {
    let changes: Vec<Duration> = (0..200).map(|n| MS * 300 * n).collect();
    let passes = passes(&changes, |_| MS * 100);
    assert_eq!(passes.len(), changes.len(), "two hundred in a row are still saved up for");
    for (change, (begin, _)) in changes.iter().zip(passes) {
        assert_eq!(begin, *change + QUIET);
    }
}

#[test]
fn one_operation_is_one_pass() {
    let changes: Vec<Duration> = (0..40).map(|n| MS * n * 10).collect();
    assert_eq!(passes(&changes, |_| MS * 20), [(MS * 440, MS * 460)]);
    let changes: Vec<Duration> = (0..80).map(|n| MS * n * 10).collect();
    assert_eq!(passes(&changes, |_| MS * 20), [(MS * 500, MS * 520), (MS * 840, MS * 860)]);
}

#[test]
fn what_changes_during_a_pass_is_one_more() {
    let changes = [Duration::ZERO, MS * 100, MS * 200, MS * 900];
    assert_eq!(passes(&changes, |_| MS * 1_000), [(MS * 50, MS * 1_050), (MS * 1_050, MS * 2_050)]);
}

#[test]
fn a_pass_of_another_is_paid_for_as_well() {
    let now = Instant::now();
    let mut pace = Pace::new(now);
    for _ in 0..100 {
        pace.passed(now, 60 * COST_MIN);
    }
    pace.changed(now);
    assert_eq!(pace.due(), Some(now + 180 * COST_MIN), "and never puts a change off for ever");
}

/// Gaps between changes, in milliseconds: none, a few, many.
fn gaps() -> impl Strategy<Value = Vec<Duration>> {
    let gap = prop_oneof![Just(0_u32), 1..20_u32, 40..60_u32, 100..5_000_u32, 100_000..1_000_000_u32];
    prop::collection::vec(gap.prop_map(|gap| MS * gap), 1..600)
}

fn times(gaps: &[Duration]) -> Vec<Duration> {
    gaps.iter().scan(Duration::ZERO, |at, gap| Some(std::mem::replace(at, *at + *gap))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_change_is_followed_by_a_pass_in_bounded_time(gaps in gaps(), took in 0..30_000_u32) {
        let (changes, took) = (times(&gaps), MS * took);
        let passes = passes(&changes, |_| took);
        let wait_max = QUIET_MAX + took + (3 * took).max(COST_MIN);
        for change in &changes {
            // At the same time the change was first.
            let next = passes.iter().find(|(begin, _)| begin >= change);
            prop_assert!(next.is_some_and(|(begin, _)| *begin - *change <= wait_max), "{change:?} {next:?}");
        }
    }

    #[test]
    fn there_are_no_passes_without_changes_and_never_two_at_once(gaps in gaps(), tooks in prop::collection::vec(0..9_000_u32, 1..50)) {
        let changes = times(&gaps);
        let passes = passes(&changes, |index| MS * tooks[index % tooks.len()]);
        prop_assert!(passes.len() <= changes.len());
        prop_assert!(passes.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    }

    #[test]
    fn under_changes_without_end_passes_are_rare_and_take_a_quarter(every in 20..400_u32, took in 0..8_000_u32) {
        let span = Duration::from_secs(1_200);
        let changes: Vec<Duration> = (0..).map(|n| MS * every * n).take_while(|at| *at < span).collect();
        let took = MS * took;
        let passes = passes(&changes, |_| took);
        let cost = (COST_FACTOR * took).max(COST_MIN);
        let most = (span + SAVED_MAX).as_secs_f64() / cost.as_secs_f64() + 2.0;
        prop_assert!(passes.len() as f64 <= most, "{} of {most}", passes.len());
        // And no fewer than can be paid for.
        let least = span.as_secs_f64() / (cost + QUIET_MAX + took).as_secs_f64() - 2.0;
        prop_assert!(passes.len() as f64 >= least, "{} of {least}", passes.len());
    }
}
