//! Whole clusters in one thread, from one seed.
//!
//! The machines are the ones that run in production; what is simulated is everything around them:
//! the scheduler, the clocks, the network, the trust servers and the disk. Nothing here reads a
//! clock or draws from anything but the seed, so a scenario and a seed always give the same run.
//!
//! A run is put together of parts that do not know each other: [`scenario`] says what is to happen,
//! as data; [`world`] decides when, by the [`scheduler`] and the sub-streams of [`rng`]; [`node`]
//! runs the machines and keeps their journal, as the host does; [`trace`] writes down each event.

mod error;
pub mod fault;
pub mod history;
pub mod hostile;
pub mod node;
pub mod oracle;
pub mod outcome;
pub mod rng;
pub mod scenario;
pub mod scheduler;
pub mod scripted;
pub mod shrink;
pub mod steady;
pub mod swarm;
pub mod trace;
pub mod truth;
pub mod world;

pub use error::SimulationError;
pub use outcome::{Answer, Outcome, Summary};
pub use scenario::Scenario;
pub use scripted::scripted;
pub use steady::steady;
pub use world::run;
