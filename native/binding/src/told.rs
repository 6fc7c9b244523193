//! What Python is told of the datagrams of a wake-up, or the queries of a stream.

use std::net::IpAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use dns_node_core::serve::Witness;
use dns_node_core::socket::Sender;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

/// What Python is told; lists are made when there is something.
pub struct Told<'py> {
    python: Python<'py>,
    wants_answers: bool,
    /// Queries that were handed up.
    pub punts: Option<Bound<'py, PyList>>,
    /// Queries that were handed up after all, with the descriptor of their socket.
    pub late: Option<Bound<'py, PyList>>,
    /// Queries that were answered, when that is wanted.
    pub answers: Option<Bound<'py, PyList>>,
    /// What went wrong while telling.
    pub error: Option<PyErr>,
}

impl<'py> Told<'py> {
    /// Nothing yet.
    pub fn new(python: Python<'py>, wants_answers: bool) -> Self {
        Told { python, wants_answers, punts: None, late: None, answers: None, error: None }
    }

    /// Put one of them into its list.
    pub fn put(&mut self, is_answer: bool, made: PyResult<Bound<'py, PyTuple>>) {
        let list = if is_answer { &mut self.answers } else { &mut self.punts };
        let list = list.get_or_insert_with(|| PyList::empty(self.python));
        if let Err(error) = made.and_then(|made| list.append(made)) {
            self.error = Some(error);
        }
    }

    /// (octets, (address, port[, flow, scope]), [(level, type, data)])
    fn punt(
        &self,
        query: &[u8],
        sender: &Sender,
        source: Option<(i32, i32, &[u8])>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let address = sender.address.to_string();
        let peer = if sender.address.is_ipv4() {
            (address, sender.port).into_pyobject(self.python)?
        } else {
            (address, sender.port, sender.flow, sender.scope).into_pyobject(self.python)?
        };
        let ancillary = PyList::empty(self.python);
        if let Some((level, kind, data)) = source {
            ancillary.append((level, kind, PyBytes::new(self.python, data)))?;
        }
        (PyBytes::new(self.python, query), peer, ancillary).into_pyobject(self.python)
    }

    /// (query, reply, address, port)
    pub fn answer(
        &self,
        query: &[u8],
        reply: &[u8],
        address: IpAddr,
        port: u16,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let (query, reply) = (PyBytes::new(self.python, query), PyBytes::new(self.python, reply));
        (query, reply, address.to_string(), port).into_pyobject(self.python)
    }
}

impl Witness for Told<'_> {
    fn wants_answers(&self) -> bool {
        self.wants_answers
    }

    fn answered(&mut self, query: &[u8], reply: &[u8], sender: &Sender) {
        let made = self.answer(query, reply, sender.address, sender.port);
        self.put(true, made);
    }

    fn handed_up(&mut self, query: &[u8], sender: &Sender, source: Option<(i32, i32, &[u8])>) {
        let made = self.punt(query, sender, source);
        self.put(false, made);
    }

    fn answered_late(&mut self, socket: RawFd, query: &[u8], reply: &[u8], sender: &Sender) {
        let list = self.answers.get_or_insert_with(|| PyList::empty(self.python)).clone();
        let made = self.answer(query, reply, sender.address, sender.port);
        if let Err(error) = made.and_then(|made| list.append((socket, made))) {
            self.error = Some(error);
        }
    }

    fn handed_up_late(
        &mut self,
        socket: RawFd,
        waited: Duration,
        query: &[u8],
        sender: &Sender,
        source: Option<(i32, i32, &[u8])>,
    ) {
        let waited_s = waited.as_secs_f64();
        let list = self.late.get_or_insert_with(|| PyList::empty(self.python)).clone();
        let made = self.punt(query, sender, source);
        if let Err(error) = made.and_then(|made| list.append((socket, waited_s, made))) {
            self.error = Some(error);
        }
    }
}
