//! What can go wrong: one class of fault a file.
//!
//! A class is a struct of data with an [`Influence`]: at what instants the world does something to
//! a replica or a server ([`Act`]), and how it bends what happens otherwise, a passage through the
//! network, a sync of the disk, a clock, a request. To add one, write its file and add one line to
//! `faults!` below: the swarm draws it, scenarios can hold it, and coverage asks for its mark.

mod api_server_away;
mod bit_flip;
mod bundle_withheld;
mod clock_drift;
mod clock_skew;
mod clock_step;
mod clogging;
mod crash;
mod crash_loop;
mod delay;
mod disk_full;
mod duplicate_events;
mod duplication;
mod endless_body;
mod full_mailbox;
mod ground;
mod hostile_content;
mod impostor;
mod late_events;
mod loss;
mod one_way_partition;
mod operator_reset;
mod panic;
mod partition;
mod reordering;
mod replaced_server;
mod rolling_upgrade;
mod server_down;
mod server_errors;
mod server_hangs;
mod slow_owner;
mod slow_sync;
mod slow_trust_server;
mod stale_list;
mod sync_error;
mod token_server_down;
mod unauthorized;
mod watch_broken;
mod watch_gone;
mod wire;

use portreeve_protocol::bundle_reason::BundleCode;
use portreeve_protocol::messages::notary::FetchRequest;
use portreeve_protocol::{Denial, Mono};
use serde::{Deserialize, Serialize};

use crate::hostile::Hostile;
use crate::rng::Rng;

pub use api_server_away::ApiServerAway;
pub use bit_flip::BitFlip;
pub use bundle_withheld::BundleWithheld;
pub use clock_drift::ClockDrift;
pub use clock_skew::ClockSkew;
pub use clock_step::ClockStep;
pub use clogging::Clogging;
pub use crash::Crash;
pub use crash_loop::CrashLoop;
pub use delay::Delay;
pub use disk_full::DiskFull;
pub use duplicate_events::DuplicateEvents;
pub use duplication::Duplication;
pub use endless_body::EndlessBody;
pub use full_mailbox::FullMailbox;
pub use ground::Ground;
pub use hostile_content::HostileContent;
pub use impostor::Impostor;
pub use late_events::LateEvents;
pub use loss::Loss;
pub use one_way_partition::OneWayPartition;
pub use operator_reset::OperatorReset;
pub use panic::Panic;
pub use partition::Partition;
pub use reordering::Reordering;
pub use replaced_server::ReplacedServer;
pub use rolling_upgrade::RollingUpgrade;
pub use server_down::ServerDown;
pub use server_errors::ServerErrors;
pub use server_hangs::ServerHangs;
pub use slow_owner::SlowOwner;
pub use slow_sync::SlowSync;
pub use slow_trust_server::SlowTrustServer;
pub use stale_list::StaleList;
pub use sync_error::SyncError;
pub use token_server_down::TokenServerDown;
pub use unauthorized::Unauthorized;
pub use watch_broken::WatchBroken;
pub use watch_gone::WatchGone;
pub use wire::Spot;

/// What one fault does. Every hook but the needed ones may be left out. The world counts a fault as
/// hit, under its class's id, whenever an act of it is done or a hook changed what it was given.
pub trait Influence {
    /// What the world does to somebody, and when: microseconds after the start.
    fn acts(&self) -> Vec<(u64, Act)> {
        Vec::new()
    }

    /// Whether it bends clocks: they are read at every delivery, so that only those that do are
    /// asked.
    fn bends_clocks(&self) -> bool {
        false
    }

    /// Whether it bends messages between the actors of a replica: they are many, so that only those
    /// that do are asked.
    fn bends_hops(&self) -> bool {
        false
    }

    /// A replica looks at the trust bundle at `at`.
    fn bundle(&self, _at: Mono, _replica: usize, _rng: &mut Rng, _look: &mut BundleLook) {}

    /// The wall clock of a replica at `at`: `wall` is microseconds it is wrong by.
    fn clock(&self, _at: Mono, _replica: usize, _wall: &mut i64) {}

    /// By how many parts in a million a replica's monotonic clock runs too fast.
    fn drift(&self, _replica: usize) -> i64 {
        0
    }

    /// The scenario's trust server `from` has another URL.
    fn moved(&mut self, _from: &str, _to: &str) {}

    /// Something goes from one place to another at `at`.
    fn pass(&self, _at: Mono, _link: &Link<'_>, _rng: &mut Rng, _passage: &mut Passage) {}

    /// A trust server is asked at `at`.
    fn serve(&self, _at: Mono, _request: &FetchRequest, _rng: &mut Rng, _service: &mut Service) {}

    /// A replica's disk makes its journal durable, beginning at `at`.
    fn sync(&self, _at: Mono, _replica: usize, _rng: &mut Rng, _syncing: &mut Syncing) {}
}

/// A class of faults, as the swarm draws them. [`Influence`] says what each does.
pub trait Class: Influence + Sized {
    /// Its id, which is also its mark.
    const ID: &'static str;

    /// Draws faults of this class. `rate` is from 1 (hardly any) to 1000 (as many or as bad as can
    /// be), and drawn log-uniformly by the swarm.
    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self>;
}

macro_rules! faults {
    ($($name:ident,)*) => {
        /// Something that goes wrong.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Fault {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        impl Fault {
            /// What it does.
            #[must_use]
            pub fn influence(&self) -> &dyn Influence {
                match self { $(Self::$name(fault) => fault,)* }
            }

            /// What it does, for a change of it.
            pub fn influence_mut(&mut self) -> &mut dyn Influence {
                match self { $(Self::$name(fault) => fault,)* }
            }

            /// The id of its class.
            #[must_use]
            pub const fn class(&self) -> &'static str {
                match self { $(Self::$name(_) => $name::ID,)* }
            }
        }

        /// Ids of all classes, each with how faults of it are drawn.
        pub const CLASSES: &[(&str, Draw)] = &[$(($name::ID, draw::<$name>),)*];

        $(impl From<$name> for Fault {
            fn from(fault: $name) -> Self {
                Self::$name(fault)
            }
        })*
    };
}

faults! {
    ApiServerAway,
    BitFlip,
    BundleWithheld,
    ClockDrift,
    ClockSkew,
    ClockStep,
    Clogging,
    Crash,
    CrashLoop,
    Delay,
    DiskFull,
    DuplicateEvents,
    Duplication,
    EndlessBody,
    FullMailbox,
    HostileContent,
    Impostor,
    LateEvents,
    Loss,
    OneWayPartition,
    OperatorReset,
    Panic,
    Partition,
    Reordering,
    ReplacedServer,
    RollingUpgrade,
    ServerDown,
    ServerErrors,
    ServerHangs,
    SlowOwner,
    SlowSync,
    SlowTrustServer,
    StaleList,
    SyncError,
    TokenServerDown,
    Unauthorized,
    WatchBroken,
    WatchGone,
}

/// How faults of one class are drawn; see [`Class::draw`].
pub type Draw = fn(&Ground, u64, &mut Rng) -> Vec<Fault>;

fn draw<C: Class + Into<Fault>>(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Fault> {
    C::draw(ground, rate, rng).into_iter().map(Into::into).collect()
}

/// Something the world does to somebody. Replicas are named by their place in the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// An operator acknowledges that a replica's clock was set back.
    AcknowledgeClock(usize),
    /// The trust server serves the collection as its publishers made it.
    Behave {
        /// The collection.
        gun: String,
        /// The server's URL.
        server: String,
    },
    /// The watch of a replica on policies breaks.
    BreakWatch(usize),
    /// A replica is killed. Of what was not durable, the seed draws how much is there.
    Crash(usize),
    /// The disk of a replica has room again, or works again.
    DiskRestored(usize),
    /// A replica is told to stop: it drains.
    Drain(usize),
    /// A bit of a replica's journal flips; of what is durable, the seed draws which.
    FlipBit(usize),
    /// The trust server serves bad content instead of a collection.
    Misbehave {
        /// What is bad about it.
        class: Hostile,
        /// The collection.
        gun: String,
        /// The server's URL.
        server: String,
    },
    /// A machine of a replica panics at its next delivery.
    Panic(usize),
    /// A replica lists all policies anew, as after 410 Gone, from an API server whose data are
    /// `behind` microseconds old; its watch works again.
    Relist {
        /// Microseconds.
        behind: u64,
        /// The replica.
        replica: usize,
    },
    /// An operator has a replica forget what it trusts of a collection.
    Reset {
        /// The collection.
        gun: String,
        /// The replica.
        replica: usize,
        /// The server's URL.
        server: String,
    },
    /// A replica starts, if it does not run.
    Start(usize),
    /// A replica that drained ends in order.
    Stop(usize),
}

/// What a look at the trust bundle comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleLook {
    /// It is not had, or not believed.
    Fails(BundleCode),
    /// It finds the publication that is by so many older than the last.
    Finds {
        /// Publications.
        behind: usize,
    },
}

/// A place that things go from and to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// The API server.
    ApiServer,
    /// A replica.
    Replica(usize),
    /// A trust server, by its URL.
    TrustServer(&'a str),
}

/// What goes from one place to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// The answer to a review.
    Answer,
    /// A request for a document.
    Fetch,
    /// What a trust server answers.
    Document,
    /// A message of an actor to another of the same replica.
    Hop,
    /// A question for an owner.
    Look,
    /// An owner, or that there is none.
    Owner,
    /// A review.
    Review,
    /// An event of a watch.
    Watch,
}

/// A way through the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// From where.
    pub from: Place<'a>,
    /// To where.
    pub to: Place<'a>,
    /// What goes there.
    pub traffic: Traffic,
}

/// How something gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// How often it arrives; 0 is lost, or for a hop refused by a full mailbox.
    pub copies: u8,
    /// Microseconds it takes.
    pub delay: u64,
}

/// What a trust server makes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// It serves what it has.
    Documents,
    /// The fetch ends so, with the microseconds after which the server wants to be asked again.
    Fails(Denial, Option<u64>),
}

/// How the disk makes a journal durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syncing {
    /// Why it fails, if it does.
    pub error: Option<&'static str>,
    /// Microseconds it takes.
    pub micros: u64,
}
