//! The page for people: one look at three in the morning. Pure.
//!
//! Everything on it is escaped by `maud`. Deliberately absent: scripts, buttons, anything from another server, addresses
//! of people (the caller shows a [`discreet`](super::discreet) value).

use super::health;
use super::live::{Daemon, Expiry, Live, Outage, Rejected, Remembered, Running, SeatCount, Watched};
use super::verdict::{State, Verdict};
use super::words::{from_now, time};
use crate::model::{HeldNote, PassRecord, PassResult, Timestamp};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// How often the page loads itself again, in seconds.
const REFRESH_SECONDS: u32 = 30;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8886;--dim:#666;--ok:#0a7a33;--held:#8a5a00;--bad:#b3140f}\
@media(prefers-color-scheme:dark){:root{--dim:#aaa;--ok:#5bd68a;--held:#f0b64a;--bad:#ff7a70}}\
body{font:1.05rem/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}\
header{border-left:.6rem solid;padding:.2rem 1rem;margin-bottom:1.5rem}\
h1{font-size:2.6rem;line-height:1.1;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
header p{margin:.5rem 0 0;color:CanvasText}.advice{font-weight:600}\
.ok{color:var(--ok)}.held,.never{color:var(--held)}.degraded,.failing{color:var(--bad)}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .8rem .35rem 0;\
border-top:1px solid var(--line)}th{font-weight:600;width:11rem}\
thead th{border:0;color:var(--dim);font-weight:400}\
pre{overflow-x:auto;border:1px solid var(--line);padding:.6rem;font-size:.9rem}\
small,footer{color:var(--dim)}footer{margin-top:2.5rem;font-size:.9rem}";

/// The whole page.
pub fn page(live: &Live, now: Timestamp) -> String {
    let Live { remembered, daemon } = live;
    let verdict = Verdict::of(live, now);
    let word = verdict.state.word();
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="robots" content="noindex";
                meta http-equiv="refresh" content=(REFRESH_SECONDS);
                title { (word) " · seatsync" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (headline(&verdict))
                (calls(live, now))
                main {
                    table { tbody {
                        (passes(remembered, now))
                        @if let Some(daemon) = daemon { (service(daemon, verdict.reason.as_deref(), now)) }
                    } }
                    @if let Some(rejected) = daemon.as_ref().and_then(|daemon| daemon.rejected.as_ref()) {
                        (refused(rejected, now))
                    }
                    (seats(&remembered.seats))
                    @if let Some(daemon) = daemon { (warnings(daemon)) }
                }
                (foot(daemon.as_ref(), now))
            }
        }
    };
    markup.into_string()
}

fn headline(Verdict { state, reason, advice }: &Verdict) -> Markup {
    html! {
        header class=(state.word()) {
            h1 { (state.word()) }
            @if *state == State::Ok { p { "Everybody has what the directory says." } }
            @if let Some(reason) = reason { p { (reason) } }
            @if let Some(advice) = advice { p.advice { "To do: " (advice) } }
        }
    }
}

/// Why `/healthz` is red: the reason of a call at night may be none of the state's.
fn calls(live: &Live, now: Timestamp) -> Markup {
    let ill = if live.daemon.is_some() { health::illnesses(live, now) } else { Vec::new() };
    html! {
        @if !ill.is_empty() {
            h2 { "Why " code { "/healthz" } " is red" }
            ul { @for why in &ill { li { (why) } } }
        }
    }
}

fn row(name: &str, cell: Markup) -> Markup {
    html! { tr { th scope="row" { (name) } td { (cell) } } }
}

fn when(at: Timestamp, now: Timestamp) -> Markup {
    html! { (from_now(at, now)) " " small { (time(at)) } }
}

fn passes(remembered: &Remembered, now: Timestamp) -> Markup {
    let Remembered { rebuilt: _, last_pass, last_good, held, held_expires, approved, seats: _ } = remembered;
    html! {
        @if let Some(PassRecord { id, at, took_ms, result, reason: _, counts }) = last_pass {
            (row("Last pass", html! {
                (result_words(*result)) ", " (when(*at, now)) br;
                @if *result != PassResult::Failed {
                    (counts.people) " people, " (counts.seated) " to be seated, " (counts.changes) " changes, "
                    (counts.held) " held, " (counts.failed) " failed" br;
                }
                small { (id) ", took " (took_ms) " ms" }
            }))
        }
        @if let Some(at) = last_good { (row("Last good pass", when(*at, now))) }
        @if let Some(HeldNote { hash, losses, gains, since }) = held {
            (row("Held", html! {
                (losses) " losses and " (gains) " gains, since " (when(*since, now)) br;
                @if let Some(approval) = approved {
                    "Approved by " (approval.by) ", until " (time(approval.expires))
                } @else {
                    @if let Some(expires) = held_expires {
                        @if *expires <= now { span.failing { "Waits for too long." } }
                        @else { "Somebody should look before " (time(*expires)) "." }
                        br;
                    }
                    code { "seatsync plan" } ", then " code { "seatsync approve " (hash) }
                }
            }))
        }
    }
}

fn result_words(result: PassResult) -> &'static str {
    match result {
        PassResult::InSync => "in sync",
        PassResult::Applied => "all changes applied",
        PassResult::Held => "some changes held",
        PassResult::Partial => "some changes failed",
        PassResult::Failed => "failed, nothing was changed",
    }
}

/// `told`: the reason that the headline gives.
fn service(daemon: &Daemon, told: Option<&str>, now: Timestamp) -> Markup {
    let Daemon { running, outage, next_sync, next_audit, directory_read, expiries, watched, .. } = daemon;
    html! {
        @if let Some(Running { since, step }) = running {
            (row("Running now", html! { (step) ", since " (when(*since, now)) }))
        }
        @if let Some(Outage { since, passes, reason, passes_by }) = outage {
            (row("Outage", html! {
                (passes) " passes failed since " (when(*since, now)) br;
                @if told != Some(reason) { (reason) br; }
                @if *passes_by { "It is tried again by itself." } @else { "It does not pass by itself." }
            }))
        }
        @if let Some(at) = directory_read { (row("Directory read", when(*at, now))) }
        @match watched {
            Some(Watched::Since { by, since }) => { (row("Changes", html! { "told by " (by) ", since " (when(*since, now)) })) }
            Some(Watched::Not { because }) => { (row("Changes", html! { "seen by the schedule alone: " (because) })) }
            None => {}
        }
        @if let Some(at) = next_sync { (row("Next pass", when(*at, now))) }
        @if let Some(at) = next_audit { (row("Next audit", when(*at, now))) }
        @for expiry @ Expiry { kind, of, at } in expiries {
            (row(if kind == "certificate" { "Certificate" } else { "Secret" }, html! {
                (of) " "
                span.failing[health::is_near(expiry, now)] {
                    @if *at <= now { "ended " } @else { "ends " } (from_now(*at, now))
                }
                " " small { (time(*at)) }
            }))
        }
    }
}

fn refused(Rejected { at, problems }: &Rejected, now: Timestamp) -> Markup {
    html! {
        h2 { "Refused configuration, read " (when(*at, now)) }
        pre { (problems) }
    }
}

fn seats(seats: &[SeatCount]) -> Markup {
    html! {
        h2 { "Seats" }
        @if seats.is_empty() { p { "No account is known." } }
        @else {
            table {
                thead { tr { th { "tier" } th { "status" } th { "accounts" } } }
                tbody {
                    @for SeatCount { tier, status, accounts } in seats {
                        tr { td { (tier.as_deref().unwrap_or("–")) } td { (status) } td { (accounts) } }
                    }
                }
            }
        }
    }
}

fn warnings(daemon: &Daemon) -> Markup {
    html! {
        @if !daemon.warnings.is_empty() {
            h2 { "Warnings of the last pass" }
            table { tbody {
                @for (kind, count) in &daemon.warnings { (row(kind, html! { (count) })) }
            } }
            p { small { code { "seatsync plan" } " names them." } }
        }
    }
}

fn foot(daemon: Option<&Daemon>, now: Timestamp) -> Markup {
    html! {
        footer {
            @if let Some(Daemon { version, pid, config, started, loaded, .. }) = daemon {
                "seatsync " (version) ", process " (pid) ", since " (time(*started)) ", " (config.display())
                " of " (time(*loaded)) br;
            }
            "This page is of " (time(now)) ". "
            a href="status.json" { "status.json" } " · " a href="metrics" { "metrics" } " · "
            a href="healthz" { "healthz" } " · " a href="readyz" { "readyz" }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::samples::*;
    use super::*;

    fn has(live: &Live, words: &[&str]) {
        let shown = page(live, now());
        for words in words {
            assert!(shown.contains(words), "no {words} in {shown}");
        }
    }

    #[test]
    fn what_matters_is_on_it() {
        has(&after(PassResult::InSync), &["<h1>ok</h1>", "2 min ago", "in 3 min", "<td>300</td>", "no_email"]);
        has(&held(), &["<h1>held</h1>", "To do: ", "seatsync approve 3f9c0a51b2d47e88", "12 losses"]);
        has(&nothing(), &["<h1>never</h1>", "No account is known."]);
        let mut live = after(PassResult::Failed);
        let daemon = live.daemon.as_mut().unwrap();
        (daemon.outage, daemon.rejected, daemon.running) = (Some(outage(false)), Some(rejected()), Some(running()));
        has(
            &live,
            &[
                "<h1>failing</h1>",
                "dc1 does not answer",
                "4 passes failed since 17 min ago",
                "Refused configuration",
                "unknown key `teir`",
                "reading the directory",
                "It does not pass by itself.",
            ],
        );
    }

    #[test]
    fn who_was_called_sees_why() {
        let mut live = after(PassResult::InSync);
        assert!(!page(&live, now()).contains("is red"));
        live.daemon.as_mut().unwrap().expiries[0].at = now() + DAY;
        has(&live, &["<h1>ok</h1>", "is red", "the certificate of ldaps://dc1.corp.example ends at 2026-01-13"]);
    }

    #[test]
    fn nothing_that_others_wrote_is_markup() {
        let evil = "<script>alert(1)</script>\"'&".to_owned();
        let mut live = Live { daemon: Some(daemon()), ..held() };
        let last = live.remembered.last_pass.as_mut().unwrap();
        (last.result, last.reason) = (PassResult::Failed, Some(evil.clone()));
        live.remembered.rebuilt = Some(evil.clone());
        live.remembered.held.as_mut().unwrap().hash = evil.clone();
        live.remembered.seats[0].tier = Some(evil.clone());
        live.remembered.seats[0].status = evil.clone();
        let daemon = live.daemon.as_mut().unwrap();
        daemon.version = evil.clone();
        daemon.config = evil.clone().into();
        daemon.outage = Some(Outage { reason: evil.clone(), ..outage(true) });
        daemon.rejected = Some(Rejected { problems: evil.clone(), ..rejected() });
        daemon.running = Some(Running { step: evil.clone(), ..running() });
        daemon.warnings.insert(evil.clone(), 1);
        daemon.expiries[0].of = evil;
        let shown = page(&live, now());
        assert!(!shown.contains("<script"), "{shown}");
        assert!(shown.matches("&lt;script&gt;").count() >= 8, "{shown}");
    }

    #[test]
    fn it_needs_nobody_else() {
        let shown = page(&after(PassResult::InSync), now());
        for word in ["<script", "<link", "<img", "src=", "url(", "@import", "http://", "https://"] {
            assert!(!shown.contains(word), "{word} in {shown}");
        }
    }
}
