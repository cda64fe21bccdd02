//! Which way a directory is read: all of it, or what the mapping is about; and what is learnt from one read to the next about
//! which of them is cheaper.

use super::Ldap;
use super::allowance::Allowance;
use super::course::Arrived;
use super::failure::Failure;
use super::follow::{self, Mark};
use super::mapped::{self, Size, Stop, Way, Whole};
use super::read::{self, Which};
use super::session::Session;
use crate::model::{News, Reading, Wanted};
use std::time::{Duration, Instant};

/// Where fewer people come, a second connection to read groups at the same time saves nothing.
const BESIDE_FROM: u64 = 10_000;
/// A server that is not fit for look-ups is not tried with them again for so long.
const UNFIT_FOR: Duration = Duration::from_secs(60 * 60);

/// What is known by now.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// Of the number of people in the directory.
    size: Size,
    /// How many people were found to be concerned when they were last looked up.
    concerned: u64,
    /// Since when look-ups are known to lead to nothing here.
    unfit: Option<Instant>,
    /// Whether the last read was told to have been by look-up, if it was told.
    told: Option<bool>,
}

impl Ways {
    /// Tells which way was taken: once, until it is the other one.
    fn tell(&mut self, by_look_up: bool, words: &str) {
        match self.told.replace(by_look_up) == Some(by_look_up) {
            true => tracing::debug!("{words}"),
            false => tracing::info!("{words}"),
        }
    }

    /// Which way is the cheaper one, as far as anybody knows.
    fn choose(&self, wanted: &Wanted<'_>, pages: bool) -> Way {
        let is_unfit = !pages || self.unfit.is_some_and(|since| since.elapsed() < UNFIT_FOR);
        if wanted.whole || is_unfit {
            return Way::Whole;
        }
        let size = match self.size {
            Size::Exactly(people) => Size::Exactly(people),
            Size::MoreThan(_) | Size::Unknown => self.size.max(mapped::remembered(wanted.memory)),
        };
        mapped::choose(mapped::concerned(wanted).max(self.concerned), size)
    }
}

impl Ldap {
    /// Reads what is wanted in the cheaper way; gives also whether the connection is still the same.
    pub(super) async fn read_what_is_wanted(
        &mut self,
        here: &mut Arrived,
        wanted: &Wanted<'_>,
        mark: Option<&Mark>,
    ) -> Result<(News, bool), Failure> {
        // Each time round more is known: how many people there are, or how many of them are concerned.
        loop {
            let most = match self.ways.choose(wanted, here.server.pages) {
                Way::Whole => u64::MAX,
                Way::WholeUpTo(most) => most,
                Way::Mapped(most) => match self.look_up(here, wanted, most).await {
                    Ok(reading) => return Ok((News::Mapped(reading), true)),
                    Err(Stop::Failed(failure)) => return Err(failure),
                    Err(Stop::TooMany(concerned)) => {
                        tracing::debug!("more than {most} people are concerned, at least {concerned}");
                        self.ways.concerned = concerned;
                        continue;
                    }
                    Err(Stop::Whole(Whole { why, is_open, is_for_long })) => {
                        tracing::info!("the whole directory is read: {why}");
                        self.ways.unfit = is_for_long.then(Instant::now);
                        if !is_open {
                            self.re_enter(here).await?;
                        }
                        let reading = self.read_up_to(here, mark.filter(|_| is_open), u64::MAX).await?;
                        return Ok((News::Whole(reading.unwrap_or_default()), is_open));
                    }
                },
            };
            match self.read_up_to(here, mark, most).await? {
                Some(reading) => return Ok((News::Whole(reading), true)),
                None => continue,
            }
        }
    }

    /// What the mapping is about.
    async fn look_up(&mut self, here: &mut Arrived, wanted: &Wanted<'_>, most: u64) -> Result<Reading, Stop> {
        let allowance = Allowance::of(&self.settings.limits);
        let Arrived { entered, server } = here;
        let (settings, allowance) = (&self.settings, &allowance);
        let of = read::Asked { settings, server, allowance, which: Which::All, members: true };
        let (reading, tally) = mapped::read(&mut entered.session, mapped::Asked { of, wanted, most }).await?;
        let mapped::Tally { requests, entries, look_ups } = tally;
        let words = format!(
            "{} people and {} groups read by look-up, few of more than {} people ({requests} requests, {entries} entries)",
            reading.people.len(),
            reading.groups.len(),
            most.saturating_mul(2)
        );
        self.ways.tell(true, &words);
        self.ways.concerned = look_ups;
        Ok(reading)
    }

    /// Everybody and every group, or `None` where there are more than so many people.
    async fn read_up_to(
        &mut self,
        here: &mut Arrived,
        mark: Option<&Mark>,
        most: u64,
    ) -> Result<Option<Reading>, Failure> {
        let mut beside = match most {
            ..BESIDE_FROM => None,
            _ => self.enter_beside(here.entered.index, here.entered.address).await,
        };
        if let (Some(mark), Some(session)) = (mark, &mut beside)
            && !is_same(session, mark).await
        {
            // Several machines behind one address. What the other one does not know yet would never be told as a change.
            beside = None;
        }
        let session = &mut here.entered.session;
        let read = read::read(session, beside.as_mut(), &self.settings, &here.server, most).await?;
        let Some(reading) = read else {
            self.ways.size = Size::MoreThan(most);
            return Ok(None);
        };
        if let Some(beside) = beside {
            beside.close().await;
        }
        self.ways.size = Size::Exactly(reading.people.len() as u64);
        let words = format!("all {} people and {} groups read", reading.people.len(), reading.groups.len());
        self.ways.tell(false, &words);
        Ok(Some(reading))
    }
}

async fn is_same(session: &mut Session, mark: &Mark) -> bool {
    match follow::is_same(session, mark).await {
        Ok(is_same) => is_same,
        Err(failure) => {
            tracing::debug!("groups are read after the people, over one connection: {}", failure.message);
            false
        }
    }
}
