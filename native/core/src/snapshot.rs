//! One revision of the store, as answers ask it.

use crate::pages::{Damage, Pages, Tree};

/// A read view of one revision.  What its methods return lies in the store's pages; it lives
/// until the store is reset.
pub struct Snapshot<'a> {
    pages: Pages<'a>,
    tables: Tree,
    names: Tree,
    zones: Tree,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(pages: Pages<'a>, tables: Tree, names: Tree, zones: Tree) -> Self {
        Snapshot { pages, tables, names, zones }
    }

    /// Return the table *name* of the environment.
    pub fn table(&self, name: &[u8]) -> Result<Tree, Damage> {
        self.tables.table(self.pages, name)
    }

    /// Return the pages, for searching a table.
    pub fn pages(&self) -> Pages<'a> {
        self.pages
    }
}
