//! The class `Core`: the data path of one worker.

use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use dns_node_core::cookies::CookieSecrets;
use dns_node_core::counters::Places;
use dns_node_core::kept_reply::Asked;
use dns_node_core::mapping::map_numbers;
use dns_node_core::message_cache::MessageCache;
use dns_node_core::rate::RateLimits;
use dns_node_core::serve::Server;
use dns_node_core::shared_block::SharedBlock;
use dns_node_core::turn::Now;
use dns_node_core::{Decision, Settings, Snapshot, Store};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::parts::{
    client, damaged, due_key, end_name, found, limit_mode, native_key, networks, row_parts, Found,
    KeyParts, RowParts, StoreError,
};
use crate::told::Told;

/// Room for the largest reply.
const REPLY_OCTETS: usize = 65535;

/// The data path of one worker.
#[pyclass(unsendable)]
pub struct Core {
    pub(crate) server: Server,
    pub(crate) out: Box<[u8]>,
}

#[pymethods]
impl Core {
    /// *counters* and *limits* are descriptors of the shared blocks; without them nothing is seen
    /// by others, nor limited.
    #[new]
    #[pyo3(signature = (counters=None, names=Vec::new(), first_bucket="", limits=None, worker=0))]
    fn new(
        counters: Option<RawFd>,
        names: Vec<String>,
        first_bucket: &str,
        limits: Option<RawFd>,
        worker: usize,
    ) -> PyResult<Self> {
        let (places, numbers) = match counters {
            Some(descriptor) => {
                let numbers = map_numbers(descriptor)?;
                let places = Places::find(&names, first_bucket)
                    .map_err(|name| PyValueError::new_err(format!("no counter {name}")))?;
                if numbers.len() < names.len() {
                    return Err(PyValueError::new_err("the block is too small for the names"));
                }
                (places, numbers)
            }
            None => {
                let numbers = (0..Places::PRIVATE_SIZE).map(|_| AtomicU64::new(0)).collect();
                (Places::private(), &*Vec::leak(numbers))
            }
        };
        let block = match limits {
            Some(descriptor) => {
                let found = SharedBlock::new(map_numbers(descriptor)?, worker);
                Some(found.ok_or_else(|| PyValueError::new_err("the block has another format"))?)
            }
            None => None,
        };
        let out = vec![0; REPLY_OCTETS].into_boxed_slice();
        Ok(Core { server: Server::new(places, numbers, block), out })
    }

    /// Read the store generation in the directory *path* from here on.
    fn open(&mut self, path: PathBuf) -> PyResult<()> {
        let mut fresh = Store::open(&path).map_err(|error| StoreError::new_err(error.0))?;
        fresh.reset();
        self.server.use_store(Some(fresh));
        Ok(())
    }

    fn close(&mut self) {
        self.server.use_store(None);
    }

    fn renew(&mut self) -> PyResult<()> {
        self.server.renew().map_err(|error| StoreError::new_err(error.0))
    }

    fn reset(&mut self) {
        self.server.reset();
    }

    /// The settings of answers; *secrets* are those of cookies where the block tells none: the
    /// one that makes them first.
    #[pyo3(signature = (identity, version, query, idle_timeout_s, secrets=Vec::new()))]
    fn configure(
        &mut self,
        identity: Vec<u8>,
        version: Vec<u8>,
        query: Vec<String>,
        idle_timeout_s: u32,
        secrets: Vec<[u8; 16]>,
    ) -> PyResult<()> {
        let cookie_secrets = match secrets.split_first() {
            Some((making, others)) => CookieSecrets::new(*making, others),
            None => CookieSecrets::default(),
        };
        let query = networks(&query)?;
        let recursion = std::mem::take(&mut self.server.settings.recursion);
        self.server.settings =
            Settings { identity, version, query, recursion, idle_timeout_s, cookie_secrets };
        self.server.settings_changed();
        Ok(())
    }

    /// The limits of answers over UDP, and whether there are cookies.
    #[allow(clippy::too_many_arguments)]
    fn configure_limits(
        &mut self,
        mode: &str,
        answers_per_s: u32,
        errors_per_s: u32,
        slip: u32,
        ipv4_prefix: u32,
        ipv6_prefix: u32,
        exempt: Vec<String>,
        has_cookies: bool,
    ) -> PyResult<()> {
        let mode = limit_mode(mode)?;
        let exempt = networks(&exempt)?;
        self.server.limiter.limits = RateLimits {
            mode,
            answers_per_s,
            errors_per_s,
            slip,
            ipv4_prefix,
            ipv6_prefix,
            exempt,
        };
        self.server.has_cookies = has_cookies;
        self.server.settings_changed();
        Ok(())
    }

    /// Who may have what is in the message cache, which holds at most *cache_octets_max*, and what
    /// is over for *stale_s*.
    #[pyo3(signature = (recursion, cache_octets_max, stale_s=0))]
    fn configure_recursion(
        &mut self,
        recursion: Vec<String>,
        cache_octets_max: usize,
        stale_s: u32,
    ) -> PyResult<()> {
        self.server.settings.recursion = networks(&recursion)?;
        let kept = &mut self.server.kept;
        if kept.cache.size_octets_max() != cache_octets_max {
            kept.cache = MessageCache::new(cache_octets_max);
        }
        kept.cache.stale_s = stale_s;
        Ok(())
    }

    /// (kind, subject, has a cookie, has a good cookie) of the last reply.
    fn facts<'py>(&self, python: Python<'py>) -> (u8, Bound<'py, PyBytes>, bool, bool) {
        let (facts, subject) = self.server.last_facts();
        let subject = PyBytes::new(python, subject);
        (facts.kind as u8, subject, facts.has_cookie, facts.has_good_cookie)
    }

    /// Return the reply, None when there is none, False when the definition has to answer.
    #[pyo3(signature = (octets, address, port, is_tcp, now_s, now_us=0))]
    #[allow(clippy::too_many_arguments)]
    fn respond<'py>(
        &mut self,
        python: Python<'py>,
        octets: &[u8],
        address: &str,
        port: u16,
        is_tcp: bool,
        now_s: f64,
        now_us: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let client = client(address, port, is_tcp)?;
        let now = Now { s: now_s, us: now_us };
        match self.server.respond(octets, &client, now, &mut self.out) {
            Decision::Reply(size) => Ok(PyBytes::new(python, &self.out[..size]).into_any()),
            Decision::Drop => Ok(python.None().into_bound(python)),
            Decision::Punt | Decision::Wait => {
                Ok(false.into_pyobject(python)?.to_owned().into_any())
            }
        }
    }

    fn take_fault(&self) -> Option<String> {
        crate::take_fault()
    }

    /// One wake-up of a UDP socket: (received, punts or None, answers or None).
    fn serve<'py>(
        &mut self,
        python: Python<'py>,
        socket: RawFd,
        is_wildcard: bool,
        now_s: f64,
        now_us: u64,
        wants_answers: bool,
    ) -> PyResult<(usize, Lists<'py>)> {
        let mut told = Told::new(python, wants_answers);
        let served =
            self.server.serve(socket, is_wildcard, Now { s: now_s, us: now_us }, &mut told);
        told.error.map_or(Ok((served.received, (told.punts, told.answers))), Err)
    }

    /// One turn of a stream: (consumed, queries, replies, end, answers or None).
    #[allow(clippy::too_many_arguments)]
    fn serve_stream<'py>(
        &mut self,
        python: Python<'py>,
        octets: &[u8],
        address: &str,
        port: u16,
        now_s: f64,
        queries_max: usize,
        wants_answers: bool,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let client = client(address, port, true)?;
        let now = Now { s: now_s, us: 0 }; // what comes over a stream is not limited
        let mut told = Told::new(python, wants_answers);
        let mut answered = |query: &[u8], reply: &[u8]| {
            if wants_answers {
                let made = told.answer(query, reply, client.address, client.port);
                told.put(true, made);
            }
        };
        let done = self.server.serve_stream(octets, &client, now, queries_max, &mut answered);
        if let Some(error) = told.error {
            return Err(error);
        }
        let replies = PyBytes::new(python, self.server.stream(done.replies_octets));
        let end = end_name(done.end);
        (done.consumed, done.queries, replies, end, told.answers).into_pyobject(python)
    }

    /// The value of one row of *table*.
    fn get<'py>(
        &self,
        python: Python<'py>,
        table: &[u8],
        key: &[u8],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let snapshot = self.snapshot()?;
        let table = snapshot.table(table).map_err(damaged)?;
        let value = snapshot.get(&table, key).map_err(damaged)?;
        Ok(value.map(|value| PyBytes::new(python, value)))
    }

    /// (key, value) of the first row of *table* at or after *key*, or with *is_after* only after it.
    fn row_from<'py>(
        &self,
        python: Python<'py>,
        table: &[u8],
        key: &[u8],
        is_after: bool,
    ) -> PyResult<Found<'py>> {
        let snapshot = self.snapshot()?;
        let table = snapshot.table(table).map_err(damaged)?;
        let mut seat = snapshot.seek(&table, key).map_err(damaged)?;
        if is_after && seat.is_exact {
            seat.next().map_err(damaged)?;
        }
        found(python, seat.row())
    }

    /// (key, value) of the last row of *table* before *key*; None stands for the end.
    fn row_before<'py>(
        &self,
        python: Python<'py>,
        table: &[u8],
        key: Option<&[u8]>,
    ) -> PyResult<Found<'py>> {
        let snapshot = self.snapshot()?;
        let table = snapshot.table(table).map_err(damaged)?;
        let seat = match key {
            Some(key) => snapshot.seek(&table, key),
            None => snapshot.end(&table),
        };
        found(python, seat.map_err(damaged)?.previous())
    }

    #[pyo3(signature = (key, message, ttl_s, now_s, error=None))]
    fn cache_put(
        &mut self,
        key: KeyParts<'_>,
        message: &[u8],
        ttl_s: u32,
        now_s: f64,
        error: Option<u16>,
    ) -> bool {
        self.server.kept.cache.put(&native_key(&key), message, ttl_s, now_s, error)
    }

    /// (reply without OPT's options composed by the caller, whether it is due, its error) or None.
    #[allow(clippy::too_many_arguments)]
    fn cache_reply<'py>(
        &mut self,
        python: Python<'py>,
        key: KeyParts<'_>,
        message_id: u16,
        flags: u16,
        question: &[u8],
        opt: &[u8],
        size_octets_max: usize,
        now_s: f64,
    ) -> Option<(Bound<'py, PyBytes>, bool, Option<u16>)> {
        let asked = Asked { message_id, flags, question, is_do: key.3 };
        let found = self.server.kept.cache.find(&native_key(&key), now_s)?;
        let size = found.compose(&asked, opt, size_octets_max, &mut self.out);
        Some((PyBytes::new(python, &self.out[..size]), found.is_due, found.error()))
    }

    /// (message, when it was put, for how long) of what is over, or None.
    fn cache_stale<'py>(
        &mut self,
        python: Python<'py>,
        key: KeyParts<'_>,
        now_s: f64,
    ) -> Option<(Bound<'py, PyBytes>, f64, u32)> {
        let (message, stored_s, ttl_s) =
            self.server.kept.cache.find_stale(&native_key(&key), now_s)?;
        Some((PyBytes::new(python, message), stored_s, ttl_s))
    }

    /// Rows of what came without Python since the last call; of many, some.
    fn take_learnt<'py>(&mut self, python: Python<'py>) -> Vec<RowParts<'py>> {
        let kept = &mut self.server.kept;
        let learnt = std::mem::take(&mut kept.learnt);
        let rows = learnt.iter().filter_map(|due| kept.cache.row(&due_key(due)?));
        rows.map(|row| row_parts(python, row)).collect()
    }

    /// (rows of what is kept in the slots from *first* on, the next slot, 0 behind the last).
    fn cache_rows<'py>(
        &mut self,
        python: Python<'py>,
        first: usize,
        slots_max: usize,
    ) -> (Vec<RowParts<'py>>, usize) {
        let cache = &self.server.kept.cache;
        let rows = cache.rows(first, slots_max).map(|row| row_parts(python, row)).collect();
        let next = first + slots_max;
        (rows, if next < cache.slots() { next } else { 0 })
    }

    fn cache_flush_name(&mut self, qname: &[u8]) -> usize {
        self.server.kept.cache.flush_name(qname)
    }

    /// Forgets whom to ask for names there, too.
    fn cache_flush_subtree(&mut self, apex: &[u8]) -> usize {
        if let Some(misses) = &mut self.server.misses {
            misses.cuts.remove_subtree(apex);
        }
        self.server.kept.cache.flush_subtree(apex)
    }

    fn cache_flush_all(&mut self) -> usize {
        if let Some(misses) = &mut self.server.misses {
            misses.cuts.clear();
        }
        self.server.kept.cache.flush_all()
    }

    fn cache_sweep(&mut self, now_s: f64, slots_max: usize) -> usize {
        self.server.kept.cache.sweep(now_s, slots_max)
    }

    /// What is due for a refresh (`Kept::due`).
    fn take_due<'py>(&mut self, python: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.server.kept.due.drain(..).map(|due| PyBytes::new(python, &due)).collect()
    }

    /// (entries, octets)
    fn cache_size(&self) -> (usize, usize) {
        (self.server.kept.cache.len(), self.server.kept.cache.size_octets())
    }
}

/// What two lists of a wake-up are.
type Lists<'py> = (Option<Bound<'py, PyList>>, Option<Bound<'py, PyList>>);

impl Core {
    fn snapshot(&self) -> PyResult<Snapshot<'_>> {
        let error = || StoreError::new_err("the store is not being read.");
        self.server.store().and_then(Store::snapshot).ok_or_else(error)
    }
}
