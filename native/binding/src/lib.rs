//! `dns_node._native`: the core for Python.

use std::net::IpAddr;
use std::path::PathBuf;

use dns_node_core::{respond, Client, Decision, Networks, Scratch, Settings, Store};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The data path of one worker.
#[pyclass(unsendable)]
struct Core {
    store: Option<Store>,
    settings: Settings,
    scratch: Scratch,
    out: Vec<u8>,
}

#[pymethods]
impl Core {
    #[new]
    fn new() -> Self {
        Core {
            store: None,
            settings: Settings::default(),
            scratch: Scratch::default(),
            out: vec![0; 65535],
        }
    }

    /// Read the store generation in the directory *path* from here on.
    fn open(&mut self, path: PathBuf) -> PyResult<()> {
        let fresh = Store::open(&path).map_err(|error| PyOSError::new_err(error.to_string()))?;
        self.store = Some(fresh);
        self.reset();
        Ok(())
    }

    fn close(&mut self) {
        self.store = None;
    }

    fn renew(&mut self) -> PyResult<()> {
        match &mut self.store {
            Some(store) => store.renew().map_err(|error| PyOSError::new_err(error.to_string())),
            None => Ok(()),
        }
    }

    fn reset(&mut self) {
        if let Some(store) = &mut self.store {
            store.reset();
        }
    }

    fn configure(
        &mut self,
        identity: Vec<u8>,
        version: Vec<u8>,
        query: Vec<String>,
        idle_timeout_s: u32,
    ) -> PyResult<()> {
        let query = Networks::parse(query.iter().map(String::as_str))
            .ok_or_else(|| PyValueError::new_err("not a list of networks"))?;
        self.settings = Settings { identity, version, query, idle_timeout_s };
        Ok(())
    }

    /// Return the reply, None when there is none, False when the definition has to answer.
    fn respond<'py>(
        &mut self,
        python: Python<'py>,
        octets: &[u8],
        address: &str,
        port: u16,
        is_tcp: bool,
        now_s: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let address: IpAddr =
            address.parse().map_err(|_| PyValueError::new_err("not an address"))?;
        let client = Client { address, port, is_tcp };
        let snapshot = self.store.as_ref().and_then(Store::snapshot);
        let view = snapshot.as_ref();
        let decision =
            respond(octets, view, &client, now_s, &self.settings, &mut self.scratch, &mut self.out);
        match decision {
            Decision::Reply(size) => Ok(PyBytes::new(python, &self.out[..size]).into_any()),
            Decision::Drop => Ok(python.None().into_bound(python)),
            Decision::Punt => Ok(false.into_pyobject(python)?.to_owned().into_any()),
        }
    }
}

/// The native data path of dns-node.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Core>()
}
