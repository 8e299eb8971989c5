//! From a directory to a running node: recovery, the opening of an incarnation, threads.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use actix::{SyncArbiter, System};
use portreeve_machines::JournalGate;
use portreeve_protocol::entry::Started;
use portreeve_protocol::{ActorId, Entry, Machine, codec};
use portreeve_replay::{Recovery, recover};

use super::cast::Cast;
use super::directory::Directory;
use super::drive::Seat;
use super::facts::Facts;
use super::fetches::Fetches;
use super::host::{Host, Lone, Make, Member};
use super::links::{Links, MakeNotary};
use super::options::{Durability, NodeOptions};
use super::residence::{Machines, Residence};
use super::seats;
use super::timers::Timers;
use super::unhurried::spawn;
use crate::HostError;
use crate::journal::queue::{Appender, queue};
use crate::journal::{Disk, Exit, FileSystem, Journal, JournalThread, Lock, Parts, Writer, layout};

/// What a started node consists of.
pub(crate) struct Running {
    pub(crate) journal: JoinHandle<()>,
    pub(crate) links: Arc<Links>,
    pub(super) machines: Machines,
}

/// Recovers, opens the incarnation, starts the threads.
pub(crate) fn start<A, N, P, V>(
    options: NodeOptions,
    disk: Arc<dyn Disk>,
    cast: Cast<A, N, P, V>,
    residence: Residence,
) -> Result<Running, HostError>
where
    A: Machine + Unpin + 'static,
    N: Machine + Unpin + 'static,
    P: Machine + Unpin + 'static,
    V: Machine + Unpin + 'static,
{
    let facts = Arc::new(Facts::new(options.log.clone(), Arc::clone(&options.metrics)));
    let (lock, recovery, next_segment) = recovered(&options, &facts)?;
    let incarnation = recovery.incarnation.saturating_add(1);
    let first = recovery.incarnation == 0;
    let restored = if first { options.restored.clone() } else { recovery.restored };
    let left = restored.bundle.as_deref();
    let begins = |given| left.is_none_or(|left| !left.goes_on_from(given));
    if options.settings.bundle.is_some_and(|bundle| begins(bundle.root)) {
        facts.say_of_bundle(Some("trust bundle: none was loaded yet".to_owned()));
    }
    let started = Arc::new(started(&options, restored, incarnation)?);
    let dir = &options.journal_dir;
    let mut writer = Writer::new(dir, disk, options.durability, next_segment, recovery.prev)
        .with_segments(options.segment_bytes)
        .within(options.retention);
    open_incarnation(&mut writer, &started)
        .map_err(|source| file("cannot open the journal", dir, source))?;
    slog::info!(facts.log(), "incarnation opened"; "node" => options.node.as_str(),
        "incarnation" => incarnation, "records" => recovery.records,
        "restored" => started.restored.trust.len());
    let (appender, items) = queue();
    let journal = JournalThread::new(Parts {
        clock: options.clock.clone(),
        durability: options.durability,
        exit: exit(residence, &options)?,
        facts: Arc::clone(&facts),
        gate: Seat::new(
            options.node.clone(),
            incarnation,
            ActorId::Journal,
            JournalGate::new(&started),
        ),
        items,
        lock,
        started: Arc::clone(&started),
        writer,
    });
    let journal = spawn("journal", move || journal.run())?;
    let links = links(&options, facts, appender.clone(), incarnation, &started, &cast);
    let machines = match residence {
        Residence::Here => Ok(machines_here(&links, &started, cast)),
        Residence::OwnThread => start_machines(&links, started, cast, options.verifiers),
    };
    match machines {
        Ok(machines) => Ok(Running { journal, links, machines }),
        Err(error) => {
            appender.stop();
            // So that the journal's lock is free again; how the thread ended makes no difference.
            let _ = journal.join();
            Err(error)
        }
    }
}

/// Those who wait for answers of machines on this thread are on this thread, too. Answers that wait
/// for no sync cannot be written meanwhile.
fn exit(residence: Residence, options: &NodeOptions) -> Result<Exit, HostError> {
    let elsewhere = || Exit::to(options.runtime.clone());
    match (residence, options.durability) {
        (Residence::Here, _) => Ok(Exit::default()),
        (Residence::OwnThread, Durability::Group) => elsewhere().drafting(),
        (Residence::OwnThread, Durability::Process) => Ok(elsewhere()),
    }
}

fn links<A, N: Machine + Unpin + 'static, P, V>(
    options: &NodeOptions,
    facts: Arc<Facts>,
    appender: Appender,
    incarnation: u32,
    started: &Arc<Started>,
    cast: &Cast<A, N, P, V>,
) -> Arc<Links> {
    let (of, notary, trusted) = (Arc::clone(started), cast.notary, cast.trusted);
    let make_notary: MakeNotary = Box::new(move |links, server| {
        let actor = ActorId::Notary(server.to_owned());
        let (of, server) = (Arc::clone(&of), server.to_owned());
        Host::new(links, actor, Box::new(move || notary(&of, &server))).run_fetcher(trusted)
    });
    Arc::new(Links {
        appender,
        clock: options.clock.clone(),
        directory: Directory::default(),
        facts,
        fetches: Fetches::new(Arc::clone(&options.fetcher), options.runtime.clone()),
        incarnation,
        journal_dir: options.journal_dir.clone(),
        make_notary,
        node: options.node.clone(),
        owners: Arc::clone(&options.owners),
        started: Arc::clone(started),
        timers: Timers::default(),
    })
}

/// Locks the journal, reads what it leaves to this incarnation, and cuts a torn tail off.
fn recovered(options: &NodeOptions, facts: &Facts) -> Result<(Lock, Recovery, u32), HostError> {
    let dir = &options.journal_dir;
    let segments = layout::segments(dir);
    fs::create_dir_all(&segments)
        .map_err(|source| file("cannot create the directory", &segments, source))?;
    let lock = Lock::take(dir)?;
    if options.durability == Durability::Group {
        layout::make_shelves(dir)
            .map_err(|source| file("cannot create the directories of blobs in", dir, source))?;
    }
    let journal = Journal::open(dir)?.tail();
    let recovery = recover(journal.lines(), &journal.blobs())?;
    if let Some(node) = recovery.node.as_ref().filter(|node| **node != options.node) {
        return Err(HostError::OtherNode {
            found: node.clone(),
            path: dir.clone(),
            wanted: options.node.clone(),
        });
    }
    if let Some(tail) = &recovery.tail {
        slog::warn!(facts.log(), "an unfinished end was cut off the journal";
            "segment" => &*tail.segment, "bytes_kept" => tail.keep, "lines" => tail.lines,
            "why" => &tail.why);
        let path = segments.join(&*tail.segment);
        cut(dir, &path, tail.keep)
            .map_err(|source| file("cannot cut the unfinished end off", &path, source))?;
    }
    let last = layout::list(dir)?.last().map_or(0, |(number, _)| *number);
    Ok((lock, recovery, last.saturating_add(1)))
}

/// Cuts a segment to `keep` bytes, and keeps what is cut beside the segments: nobody reads it, but
/// nothing is destroyed that might be evidence, so it is durable there before it goes here.
fn cut(dir: &Path, segment: &Path, keep: u64) -> io::Result<()> {
    let name = segment.file_name().unwrap_or_default().to_string_lossy();
    let mut from = fs::OpenOptions::new().read(true).write(true).open(segment)?;
    from.seek(SeekFrom::Start(keep))?;
    let mut rest = Vec::new();
    from.read_to_end(&mut rest)?;
    FileSystem.put(&layout::aside(dir).join(format!("{name}.{keep}")), &rest)?;
    from.set_len(keep)?;
    from.sync_all()
}

fn started(
    options: &NodeOptions,
    restored: portreeve_protocol::entry::Restored,
    incarnation: u32,
) -> Result<Started, HostError> {
    let settings_digest = codec::digest(&options.settings).map_err(|error| {
        file("cannot record the settings in", &options.journal_dir, io::Error::other(error))
    })?;
    Ok(Started {
        build: env!("CARGO_PKG_VERSION").to_owned(),
        incarnation,
        jitter_seed: options.jitter_seed,
        node: options.node.clone(),
        restored,
        rules: portreeve_protocol::RULES_VERSION,
        settings: options.settings.clone(),
        settings_digest,
        wall: options.clock.now().wall,
    })
}

/// Makes the opening of the incarnation the durable first record of a new segment.
fn open_incarnation(writer: &mut Writer, started: &Arc<Started>) -> io::Result<()> {
    writer.take_stock();
    writer.open()?;
    let mut named = Started::clone(started);
    for blob in named.restored.blobs_mut() {
        writer.blob(blob)?;
    }
    writer.stage(Entry::Started(Arc::clone(started)))?;
    writer.write()?;
    writer.sync()
}

/// Starts the arbiter and the verifier pool, and enters the actors into the directory.
fn start_machines<A, N, P, V>(
    links: &Arc<Links>,
    started: Arc<Started>,
    cast: Cast<A, N, P, V>,
    verifiers: usize,
) -> Result<Machines, HostError>
where
    A: Machine + Unpin + 'static,
    N: Machine + Unpin + 'static,
    P: Machine + Unpin + 'static,
    V: Machine + Unpin + 'static,
{
    let (ready, opened) = mpsc::channel();
    let links = Arc::clone(links);
    let thread = spawn("machines", move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                // Nobody waits for it if the node was given up meanwhile.
                let _ = ready.send(Err(error.to_string()));
                return;
            }
        };
        let runner = System::with_tokio_rt(move || runtime);
        runner.block_on(async {
            let pool = enter(&links, &started, cast);
            let pool = SyncArbiter::start(verifiers.clamp(1, 64), pool).recipient();
            links.directory.enter(ActorId::Verify(0), pool);
            serve(&links);
        });
        let _ = ready.send(Ok(System::current()));
        if let Err(error) = runner.run() {
            slog::error!(links.facts.log(), "the machines' thread ended with an error";
                "why" => error.to_string());
        }
    })?;
    match opened.recv() {
        Ok(Ok(system)) => Ok(Machines::OwnThread { system, thread }),
        Ok(Err(why)) => Err(HostError::Thread { thread: "machines", why }),
        Err(_) => Err(HostError::Thread {
            thread: "machines",
            why: "it ended while it started".to_owned(),
        }),
    }
}

/// Starts the actors in the system of this thread, and enters them into the directory.
fn machines_here<A, N, P, V>(
    links: &Arc<Links>,
    started: &Arc<Started>,
    cast: Cast<A, N, P, V>,
) -> Machines
where
    A: Machine + Unpin + 'static,
    P: Machine + Unpin + 'static,
    V: Machine + Unpin + 'static,
{
    seats::clear();
    let pool = enter(links, started, cast);
    links.directory.enter(ActorId::Verify(0), Lone::run(pool()));
    Machines::Here { servants: serve(links), system: System::current() }
}

/// What serves the machines, for ever, on their arbiter.
fn serve(links: &Arc<Links>) -> Vec<tokio::task::JoinHandle<()>> {
    let pump = Arc::clone(links);
    vec![
        actix::spawn(Timers::run(Arc::clone(links))),
        actix::spawn(async move { pump.directory.run().await }),
        actix::spawn(Arc::clone(links).watch_journal()),
    ]
}

/// Starts the actors of the arbiter and enters them into the directory; gives what makes members of
/// the verifier pool.
fn enter<A, N, P, V>(
    links: &Arc<Links>,
    started: &Arc<Started>,
    cast: Cast<A, N, P, V>,
) -> impl Fn() -> Member<V> + Send + Sync + 'static
where
    A: Machine + Unpin + 'static,
    P: Machine + Unpin + 'static,
    V: Machine + Unpin + 'static,
{
    let directory = &links.directory;
    let of = Arc::clone(started);
    let make = Box::new(move || (cast.admission)(&of));
    let admission = Host::new(links, ActorId::Admission, make);
    directory.enter(ActorId::Admission, admission.run());
    let of = Arc::clone(started);
    let policy = Host::new(links, ActorId::Policy, Box::new(move || (cast.policy)(&of)));
    directory.enter(ActorId::Policy, policy.run());
    let of = Arc::clone(started);
    let make: Make<V> = Arc::new(move || (cast.verify)(&of));
    let members = AtomicU16::new(0);
    let shared = Arc::clone(links);
    move || {
        let member = ActorId::Verify(members.fetch_add(1, Ordering::Relaxed));
        Member::new(&shared, member, &make)
    }
}

fn file(what: &'static str, path: &Path, source: io::Error) -> HostError {
    HostError::File { what, path: path.to_owned(), source }
}
