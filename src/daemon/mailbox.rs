//! What waits for the loop: pokes, which carry a reason and nothing else, orders of operators, a new configuration.
//!
//! A poke during a pass is remembered once, however often it comes. Orders wait in a queue with an end.

use crate::control::{Ask, Order, Refusal};
use crate::pass::Halt;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// Most orders that wait; further callers are told to come again.
pub const ORDERS_MAX: usize = 32;

/// Why there is to be a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poke {
    /// Somebody wants one, or the directory has moved.
    Sync,
    /// Somebody wants one that also lists the account store.
    Audit,
}

/// Where pokes are left. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Pokes(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    poke: Mutex<Option<Poke>>,
    news: Notify,
}

impl Pokes {
    /// Leaves one. An audit is also a sync, so the greater of two is what remains.
    pub fn leave(&self, poke: Poke) {
        let mut waiting = self.0.poke.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = match (*waiting, poke) {
            (Some(Poke::Audit), _) | (_, Poke::Audit) => Some(Poke::Audit),
            (None | Some(Poke::Sync), Poke::Sync) => Some(Poke::Sync),
        };
        self.0.news.notify_one();
    }

    /// Takes what was left, without waiting.
    pub fn take(&self) -> Option<Poke> {
        self.0.poke.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn left(&self) -> Poke {
        loop {
            if let Some(poke) = self.take() {
                return poke;
            }
            self.0.news.notified().await;
        }
    }
}

/// A configuration that was found good, and who wants to know whether it is in force.
#[derive(Debug)]
pub struct Renewal<P> {
    /// What it means.
    pub plan: P,
    /// Told when it has been taken on, or why not.
    pub adopted: oneshot::Sender<Result<(), String>>,
    /// Whether a later one was refused while this one waited: then that is what has to be said of the file.
    pub is_overtaken: bool,
}

/// Where a new configuration is left; one that comes before another was taken on replaces it. Clones are one.
#[derive(Debug)]
pub struct Renewals<P>(Arc<Waited<P>>);

#[derive(Debug)]
struct Waited<P> {
    place: Mutex<Place<P>>,
    news: Notify,
}

#[derive(Debug)]
enum Place<P> {
    Open(Option<Renewal<P>>),
    /// The loop has ended: whoever comes now is told, and not left to wait.
    Closed,
}

impl<P> Clone for Renewals<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P> Renewals<P> {
    fn new() -> Self {
        Self(Arc::new(Waited { place: Mutex::new(Place::Open(None)), news: Notify::new() }))
    }

    /// Leaves one. When the loop has ended it is dropped, which whoever waits for it hears.
    pub fn leave(&self, renewal: Renewal<P>) {
        if let Place::Open(place) = &mut *self.0.place.lock().unwrap_or_else(PoisonError::into_inner) {
            *place = Some(renewal);
        }
        self.0.news.notify_one();
    }

    /// A later one was refused.
    pub fn overtake(&self) {
        let mut place = self.0.place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Place::Open(Some(waiting)) = &mut *place {
            waiting.is_overtaken = true;
        }
    }

    fn take(&self) -> Option<Renewal<P>> {
        match &mut *self.0.place.lock().unwrap_or_else(PoisonError::into_inner) {
            Place::Open(place) => place.take(),
            Place::Closed => None,
        }
    }

    fn close(&self) {
        *self.0.place.lock().unwrap_or_else(PoisonError::into_inner) = Place::Closed;
    }

    async fn left(&self) -> Renewal<P> {
        loop {
            if let Some(renewal) = self.take() {
                return renewal;
            }
            self.0.news.notified().await;
        }
    }
}

/// What the loop does next.
#[derive(Debug)]
pub enum Turn<P> {
    /// Leave.
    Stop,
    /// Take a new configuration on.
    Renew(Renewal<P>),
    /// Do what somebody asked for.
    Order(Order),
    /// Make a pass.
    Poke(Poke),
    /// Look at the clock.
    Tick,
}

/// The loop's end of all of it.
#[derive(Debug)]
pub struct Mailbox<P> {
    halt: Halt,
    pokes: Pokes,
    renewals: Renewals<P>,
    orders: mpsc::Receiver<Order>,
    taken: VecDeque<Order>,
}

/// The other end.
#[derive(Debug)]
pub struct Slots<P> {
    /// Pokes.
    pub pokes: Pokes,
    /// New configurations.
    pub renewals: Renewals<P>,
    /// Orders.
    pub orders: mpsc::Sender<Order>,
}

impl<P> Mailbox<P> {
    /// An empty one. It ends when `halt` is asked.
    pub fn new(halt: Halt) -> (Self, Slots<P>) {
        let pokes = Pokes::default();
        let renewals = Renewals::new();
        let (orders_in, orders) = mpsc::channel(ORDERS_MAX);
        let mailbox = Self { halt, pokes: pokes.clone(), renewals: renewals.clone(), orders, taken: VecDeque::new() };
        (mailbox, Slots { pokes, renewals, orders: orders_in })
    }

    /// What is next, or a look at the clock after `wait`.
    pub async fn next(&mut self, wait: Duration) -> Turn<P> {
        if let Some(order) = self.taken.pop_front().filter(|_| !self.halt.is_asked()) {
            return Turn::Order(order);
        }
        tokio::select! {
            biased;
            () = self.halt.asked() => Turn::Stop,
            renewal = self.renewals.left() => Turn::Renew(renewal),
            // Neither has precedence: whoever asks without a pause must not keep a pass away for ever.
            turn = async {
                tokio::select! {
                    Some(order) = self.orders.recv() => Turn::Order(order),
                    poke = self.pokes.left() => Turn::Poke(poke),
                }
            } => turn,
            () = tokio::time::sleep(wait) => Turn::Tick,
        }
    }

    /// All orders that one whole pass serves, and whether one of them wants an audit; the others go on waiting in
    /// their order. With them the poke that was left: the pass that begins now is the one it asked for.
    pub fn board(&mut self) -> (Vec<Order>, Option<Poke>) {
        while self.taken.len() < ORDERS_MAX
            && let Ok(order) = self.orders.try_recv()
        {
            self.taken.push_back(order);
        }
        let (boarding, staying): (VecDeque<Order>, _) =
            self.taken.drain(..).partition(|order| matches!(order.ask, Ask::Sync { user: None, .. }));
        self.taken = staying;
        let audit = boarding.iter().any(|order| matches!(order.ask, Ask::Sync { audit: true, .. }));
        let poke = match (self.pokes.take(), audit) {
            (_, true) => Some(Poke::Audit),
            (poke, false) => poke,
        };
        (boarding.into(), poke)
    }

    /// Tells everybody who waits that nothing comes any more.
    pub fn close(&mut self, why: &str) {
        self.orders.close();
        self.renewals.close();
        while let Ok(order) = self.orders.try_recv() {
            self.taken.push_back(order);
        }
        for order in self.taken.drain(..) {
            order.end(Err(Refusal::failed(why)));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::control::Tell;

    fn order(ask: Ask) -> (Order, mpsc::Receiver<Tell>) {
        let (tells, told) = mpsc::channel(4);
        (Order { ask, by: "somebody".into(), tells }, told)
    }

    fn sync(audit: bool) -> Ask {
        Ask::Sync { audit, user: None }
    }

    #[tokio::test(start_paused = true)]
    async fn many_pokes_are_one_and_an_audit_is_the_greater() {
        let (mut mailbox, slots) = Mailbox::<()>::new(Halt::default());
        for poke in [Poke::Sync, Poke::Audit, Poke::Sync] {
            slots.pokes.leave(poke);
        }
        assert!(matches!(mailbox.next(Duration::from_secs(9)).await, Turn::Poke(Poke::Audit)));
        assert!(matches!(mailbox.next(Duration::from_secs(9)).await, Turn::Tick));
    }

    #[tokio::test]
    async fn one_pass_serves_all_that_wait_for_a_whole_one() {
        let (mut mailbox, slots) = Mailbox::<()>::new(Halt::default());
        let asks = [sync(false), Ask::Accounts, sync(true), Ask::Sync { audit: false, user: Some("kim".into()) }];
        let _kept: Vec<_> = asks
            .into_iter()
            .map(|ask| {
                let (order, told) = order(ask);
                slots.orders.try_send(order).unwrap();
                told
            })
            .collect();
        slots.pokes.leave(Poke::Sync);
        let (boarding, poke) = mailbox.board();
        assert_eq!((boarding.len(), poke), (2, Some(Poke::Audit)));
        let Turn::Order(next) = mailbox.next(Duration::ZERO).await else { panic!("an order waits") };
        assert_eq!(next.ask, Ask::Accounts);
        let Turn::Order(next) = mailbox.next(Duration::ZERO).await else { panic!("an order waits") };
        assert!(matches!(next.ask, Ask::Sync { user: Some(_), .. }));
        assert!(matches!(mailbox.next(Duration::ZERO).await, Turn::Tick), "the poke was served too");
    }

    #[tokio::test]
    async fn who_waits_at_the_end_is_told() {
        let halt = Halt::default();
        let (mut mailbox, slots) = Mailbox::<()>::new(halt.clone());
        let (waiting, mut told) = order(Ask::Accounts);
        slots.orders.try_send(waiting).unwrap();
        let leave = || {
            let (adopted, adoption) = oneshot::channel();
            slots.renewals.leave(Renewal { plan: (), adopted, is_overtaken: false });
            adoption
        };
        let early = leave();
        halt.ask();
        assert!(matches!(mailbox.next(Duration::ZERO).await, Turn::Stop));
        mailbox.close("the service stops");
        assert!(early.await.is_err() && leave().await.is_err(), "no configuration will come into force any more");
        assert!(matches!(told.recv().await, Some(Tell::Refused(refusal)) if refusal.message == "the service stops"));
        let (late, _told) = order(Ask::Accounts);
        assert!(slots.orders.try_send(late).is_err());
    }

    #[tokio::test]
    async fn a_poke_comes_through_however_many_orders_wait() {
        let (mut mailbox, slots) = Mailbox::<()>::new(Halt::default());
        slots.pokes.leave(Poke::Sync);
        let mut kept = Vec::new();
        for _ in 0..1_000 {
            let (next, told) = order(Ask::Accounts);
            kept.push(told);
            slots.orders.try_send(next).unwrap();
            match mailbox.next(Duration::from_secs(9)).await {
                Turn::Poke(Poke::Sync) => return,
                turn => assert!(matches!(turn, Turn::Order(_)), "{turn:?}"),
            }
        }
        panic!("the poke waits for ever");
    }

    #[tokio::test]
    async fn the_last_configuration_counts() {
        let (mut mailbox, slots) = Mailbox::new(Halt::default());
        for plan in ["first", "last"] {
            let (adopted, _) = oneshot::channel();
            slots.renewals.leave(Renewal { plan, adopted, is_overtaken: false });
        }
        slots.renewals.overtake();
        let Turn::Renew(renewal) = mailbox.next(Duration::ZERO).await else { panic!("one waits") };
        assert_eq!((renewal.plan, renewal.is_overtaken), ("last", true));
        assert!(matches!(mailbox.next(Duration::ZERO).await, Turn::Tick));
    }
}
