//! The class `Recursion`: what a core asks of servers by itself.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::time::Duration;

use dns_node_core::recursion::admission::QuestionLimits;
use dns_node_core::recursion::compose::TtlLimits;
use dns_node_core::recursion::cuts::{AskedServer, CutFacts, Manner};
use dns_node_core::recursion::reply::Asked;
use dns_node_core::recursion::{is_name, Misses};
use dns_node_core::turn::Now;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::core::Core;
use crate::told::Told;

/// (address, port, seconds, has EDNS, has cookies, mixes case)
type ServerParts = (String, u16, f64, bool, bool, bool);

/// (address, port, answered, failed, near misses, seconds of all answers)
type SeenParts = (String, u16, u32, u32, u32, f64);

/// Queries handed up late, and answers.
type LateLists<'py> = (Option<Bound<'py, PyList>>, Option<Bound<'py, PyList>>);

/// The miss path's shortcut of one core.
#[pyclass(unsendable)]
pub struct Recursion {
    core: Py<Core>,
}

#[pymethods]
impl Recursion {
    /// Nobody may be asked yet.
    #[new]
    fn new(python: Python<'_>, core: Py<Core>) -> PyResult<Self> {
        core.borrow_mut(python).server.misses = Some(Box::new(Misses::new()?));
        Ok(Recursion { core })
    }

    /// The bounds of TTLs, the types that are handed up though they are plain, and the names at and
    /// below which all is, where there is no cut below them.
    fn configure(
        &self,
        python: Python<'_>,
        ttl_max_s: u32,
        negative_ttl_max_s: u32,
        types_handed_up: Vec<u16>,
        names_handed_up: Vec<Vec<u8>>,
    ) {
        self.with(python, (), |misses| {
            misses.limits = TtlLimits { ttl_max_s, negative_ttl_max_s };
            misses.types_handed_up = types_handed_up;
            misses.cuts.hand_up(names_handed_up.into_iter().map(Vec::into_boxed_slice));
        });
    }

    /// The descriptor that is readable when `resume` has something to do.
    fn fileno(&self, python: Python<'_>) -> RawFd {
        self.with(python, -1, |misses| misses.descriptor())
    }

    /// Ask no more; return who waited, as queries handed up.
    fn stop<'py>(&self, python: Python<'py>, now_s: f64) -> PyResult<Option<Bound<'py, PyList>>> {
        let mut told = Told::new(python, false);
        let now = Now { s: now_s, us: 0 };
        self.core.borrow_mut(python).server.stop_asking(now, &mut told);
        told.error.map_or(Ok(told.late), Err)
    }

    /// Have at most so many questions at once: of the worker, of a client, of one that is known, for
    /// a name.
    fn limit(
        &self,
        python: Python<'_>,
        questions: u64,
        per_client: u64,
        per_known_client: u64,
        per_name: u64,
    ) {
        let limits = QuestionLimits { questions, per_client, per_known_client, per_name };
        self.with(python, (), |misses| misses.question_limits = limits);
    }

    /// Ask the servers of the cut at *apex* from now on; without any, hand up what is below it.
    #[allow(clippy::too_many_arguments)]
    fn put_cut(
        &self,
        python: Python<'_>,
        apex: &[u8],
        servers: Vec<ServerParts>,
        depth_max: usize,
        is_forward: bool,
        expires_s: f64,
        now_s: f64,
    ) -> PyResult<()> {
        if !is_name(apex) {
            return Err(PyValueError::new_err("not a name"));
        }
        let servers = servers.iter().map(server).collect::<PyResult<_>>()?;
        let facts = CutFacts { servers, depth_max, is_forward, expires_s };
        self.with(python, Some(()), |misses| misses.put_cut(apex, &facts, now_s))
            .ok_or_else(|| PyValueError::new_err("no chance is to be had"))
    }

    /// Go on: (queries handed up or None, answers or None), each with its socket's descriptor.
    fn resume<'py>(
        &self,
        python: Python<'py>,
        now_s: f64,
        now_us: u64,
        wants_answers: bool,
    ) -> PyResult<LateLists<'py>> {
        let mut told = Told::new(python, wants_answers);
        let now = Now { s: now_s, us: now_us };
        self.core.borrow_mut(python).server.resume(now, &mut told);
        told.error.map_or(Ok((told.late, told.answers)), Err)
    }

    /// What was seen of each server since the last call.
    fn take_seen(&self, python: Python<'_>) -> Vec<SeenParts> {
        let mut found = Vec::new();
        self.with(python, (), |misses| {
            misses.cuts.drain_seen(|address, seen| {
                let rtt_s = Duration::from_micros(seen.rtt_us).as_secs_f64();
                let ip = address.ip().to_string();
                let (answered, failed) = (seen.answered, seen.failed);
                found.push((ip, address.port(), answered, failed, seen.near_misses, rtt_s));
            });
        });
        found
    }

    /// (questions in flight, clients that wait, cuts)
    fn count(&self, python: Python<'_>) -> (usize, usize, usize) {
        self.with(python, (0, 0, 0), |misses| {
            let count = misses.count();
            (count.in_flight, count.waiting, count.cuts)
        })
    }

    /// What is kept of *message*, the reply to a question that it repeats: (message, TTL); None when
    /// it has to be handed up.
    fn judge<'py>(
        &self,
        python: Python<'py>,
        message: &[u8],
        qname: &[u8],
        qtype: u16,
        zone_octets: usize,
        is_forward: bool,
    ) -> Option<(Bound<'py, PyBytes>, u32)> {
        let asked = Asked { qname, qtype, zone_octets, is_forward };
        self.with(python, None, |misses| {
            let kept = misses.judge(message, &asked)?;
            Some((PyBytes::new(python, kept.octets), kept.ttl_s))
        })
    }
}

impl Recursion {
    fn with<T>(&self, python: Python<'_>, stopped: T, work: impl FnOnce(&mut Misses) -> T) -> T {
        match &mut self.core.borrow_mut(python).server.misses {
            Some(misses) => work(misses),
            None => stopped,
        }
    }
}

fn server(parts: &ServerParts) -> PyResult<AskedServer> {
    let &(ref address, port, rtt_s, has_edns, has_cookie, mixes_case) = parts;
    let address: IpAddr = address.parse().map_err(|_| PyValueError::new_err("not an address"))?;
    let rtt_us = (rtt_s.clamp(0.0, 60.0) * 1e6) as u32;
    let manner = Manner { has_edns, has_cookie: has_cookie && has_edns, mixes_case };
    Ok(AskedServer { address: SocketAddr::new(address, port), rtt_us, manner })
}
