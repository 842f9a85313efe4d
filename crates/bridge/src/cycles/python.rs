//! The Python objects that only holders keep alive, found by trial deletion.

use std::collections::{HashMap, HashSet};
use std::ffi::c_void;
use std::os::raw::c_int;

use pyo3::ffi::{self, PyObject};
use rquickjs::qjs::JSValue;

use super::engine::Holder;
use super::leaves;
use crate::addresses::Addresses;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

struct Node {
    /// Borrowed: nothing is freed while the graph is in use.
    object: *mut PyObject,
    /// References to it from holders and other nodes.
    explained: isize,
    /// Where its references to other nodes start in [`Graph::edges`]; they end where the next node's start.
    first_edge: usize,
    /// Something that is not a node refers to it, or to what leads to it.
    kept: bool,
    /// Its number as a shadow: it is not kept, and leads to JavaScript values.
    shadow: u32,
}

/// Python objects that holders lead to, with their references to each other.
pub(super) struct Graph {
    nodes: Vec<Node>,
    edges: Vec<u32>,
    /// The nodes with shadows.
    shadows: Vec<u32>,
}

impl Graph {
    /// The objects that `holders` lead to; what of them is shadowed is noted there. `None` if none of them is both kept by
    /// holders alone and leads back to JavaScript: then there is no cycle through both heaps.
    ///
    /// # Safety
    /// At home with the GIL; nothing is freed while the result is in use.
    pub(super) unsafe fn new(holders: &mut [Holder]) -> Option<Self> {
        // SAFETY: as the caller promises.
        unsafe {
            let mut discovery = Discovery::new();
            let mut starts = Vec::with_capacity(holders.len());
            for holder in &*holders {
                starts.push(holder.objects.map(|object| discovery.node(object)));
            }
            discovery.follow();
            let mut graph = Self {
                nodes: discovery.nodes,
                edges: discovery.edges,
                shadows: Vec::new(),
            };
            if !graph.keep_what_is_referred_to() {
                return None;
            }
            graph.number_shadows();
            for (holder, starts) in holders.iter_mut().zip(starts) {
                holder.shadows = starts.map(|start| match start {
                    NONE => NONE,
                    start => graph.nodes[start as usize].shadow,
                });
            }
            (!graph.shadows.is_empty()).then_some(graph)
        }
    }

    fn edges_of(&self, node: usize) -> &[u32] {
        let end = self
            .nodes
            .get(node + 1)
            .map_or(self.edges.len(), |next| next.first_edge);
        &self.edges[self.nodes[node].first_edge..end]
    }

    /// Marks what is kept by other references than those of holders and nodes, and all it leads to. False if some type
    /// shows more references than there are: then nothing can be said.
    unsafe fn keep_what_is_referred_to(&mut self) -> bool {
        let mut queue = Vec::new();
        for (at, node) in self.nodes.iter_mut().enumerate() {
            // SAFETY: the object is alive.
            let count = unsafe { ffi::Py_REFCNT(node.object) };
            if count < node.explained {
                return false;
            }
            if count > node.explained {
                node.kept = true;
                queue.push(at as u32);
            }
        }
        while let Some(at) = queue.pop() {
            let edges = self.edges_of(at as usize).to_vec();
            for child in edges {
                let child_node = &mut self.nodes[child as usize];
                if !child_node.kept {
                    child_node.kept = true;
                    queue.push(child);
                }
            }
        }
        true
    }

    /// Gives every node that isn't kept and leads to JavaScript values a number as shadow.
    unsafe fn number_shadows(&mut self) {
        // Who refers to each node that is not kept: (referred to, by), sorted.
        let mut referrers: Vec<(u32, u32)> = Vec::new();
        let mut queue = Vec::new();
        for at in 0..self.nodes.len() {
            if self.nodes[at].kept {
                continue;
            }
            referrers.extend(self.edges_of(at).iter().map(|&child| (child, at as u32)));
            // SAFETY: the object is alive, the GIL is held.
            if unsafe { leaves::is_leaf(self.nodes[at].object) } {
                self.nodes[at].shadow = 0;
                queue.push(at as u32);
            }
        }
        if queue.is_empty() {
            return;
        }
        referrers.sort_unstable();
        while let Some(at) = queue.pop() {
            self.nodes[at as usize].shadow = self.shadows.len() as u32;
            self.shadows.push(at);
            let first = referrers.partition_point(|&(child, _)| child < at);
            for &(_, by) in referrers[first..].iter().take_while(|&&(child, _)| child == at) {
                let node = &mut self.nodes[by as usize];
                if node.shadow == NONE {
                    node.shadow = 0;
                    queue.push(by);
                }
            }
        }
    }

    /// How many shadows there are.
    pub(super) fn shadows(&self) -> usize {
        self.shadows.len()
    }

    /// How many references holders and other shadows have to a shadow: all there are, and at least one.
    pub(super) fn references(&self, shadow: usize) -> isize {
        self.nodes[self.shadows[shadow] as usize].explained
    }

    /// Calls `value` with each JavaScript value that a shadow's object owns, and `shadow` with the number of each shadow that
    /// it refers to, once for every reference.
    ///
    /// # Safety
    /// At home with the GIL.
    pub(super) unsafe fn children(
        &self,
        number: usize,
        value: impl FnMut(JSValue),
        mut shadow: impl FnMut(usize),
    ) {
        let at = self.shadows[number] as usize;
        // SAFETY: as the caller promises; the object is alive.
        unsafe {
            if leaves::is_leaf(self.nodes[at].object) {
                leaves::for_each_value(self.nodes[at].object, value);
            }
        }
        for &child in self.edges_of(at) {
            let child = self.nodes[child as usize].shadow;
            if child != NONE {
                shadow(child as usize);
            }
        }
    }

    /// The objects (borrowed) that go with the holders that are not live and have finalizers that did not run yet.
    ///
    /// # Safety
    /// At home with the GIL.
    pub(super) unsafe fn finalizable(&self, holders: &[Holder]) -> Vec<*mut PyObject> {
        let mut reached = vec![false; self.nodes.len()];
        let index: HashMap<usize, usize, Addresses> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(at, node)| (node.object as usize, at))
            .collect();
        let mut follow = |live: bool, each: &mut dyn FnMut(*mut PyObject)| {
            let mut queue: Vec<usize> = holders
                .iter()
                .filter(|holder| holder.live == live)
                .flat_map(|holder| holder.objects)
                .filter_map(|object| index.get(&(object as usize)).copied())
                .collect();
            while let Some(at) = queue.pop() {
                if self.nodes[at].kept || std::mem::replace(&mut reached[at], true) {
                    continue;
                }
                each(self.nodes[at].object);
                queue.extend(self.edges_of(at).iter().map(|&child| child as usize));
            }
        };
        follow(true, &mut |_| {});
        let mut found = Vec::new();
        follow(false, &mut |object| {
            // SAFETY: the object is alive, the GIL is held.
            unsafe {
                if (*ffi::Py_TYPE(object)).tp_finalize.is_some()
                    && ffi::PyObject_GC_IsTracked(object) != 0
                    && ffi::PyObject_GC_IsFinalized(object) == 0
                {
                    found.push(object);
                }
            }
        });
        found
    }
}

/// The graph while it grows.
struct Discovery {
    nodes: Vec<Node>,
    edges: Vec<u32>,
    index: HashMap<usize, u32, Addresses>,
    /// The dictionaries of modules: their contents are taken to be in use.
    modules: HashSet<usize, Addresses>,
}

impl Discovery {
    unsafe fn new() -> Self {
        let mut modules = HashSet::default();
        // SAFETY: the GIL is held; `sys.modules` is a dictionary or at least an object, entries are borrowed.
        unsafe {
            let all = ffi::PyImport_GetModuleDict();
            if !all.is_null() && ffi::PyDict_CheckExact(all) != 0 {
                let (mut at, mut key, mut module) = (0, std::ptr::null_mut(), std::ptr::null_mut());
                while ffi::PyDict_Next(all, &mut at, &mut key, &mut module) != 0 {
                    if ffi::PyModule_Check(module) != 0 {
                        modules.insert(ffi::PyModule_GetDict(module) as usize);
                    }
                }
            }
        }
        Self {
            nodes: Vec::new(),
            edges: Vec::new(),
            index: HashMap::default(),
            modules,
        }
    }

    /// The node of an object that something refers to; `NONE` for what is not looked into. That is safe: the references
    /// that it has stay unexplained.
    unsafe fn node(&mut self, object: *mut PyObject) -> u32 {
        if object.is_null() {
            return NONE;
        }
        // SAFETY: the object is alive, the GIL is held.
        unsafe {
            if !is_traversable(object) && !leaves::is_leaf(object) {
                return NONE;
            }
            if ffi::PyModule_Check(object) != 0 || self.modules.contains(&(object as usize)) {
                return NONE;
            }
        }
        let next = self.nodes.len() as u32;
        let at = *self.index.entry(object as usize).or_insert(next);
        if at == next {
            self.nodes.push(Node {
                object,
                explained: 0,
                first_edge: 0,
                kept: false,
                shadow: NONE,
            });
        }
        self.nodes[at as usize].explained += 1;
        at
    }

    /// Asks every node for its references, the new ones among them too.
    unsafe fn follow(&mut self) {
        let mut at = 0;
        while at < self.nodes.len() {
            self.nodes[at].first_edge = self.edges.len();
            let object = self.nodes[at].object;
            // SAFETY: the object is alive and its collector's header in order; `tp_traverse` only calls `visit`, with
            // the pointer it is given.
            unsafe {
                if is_traversable(object)
                    && let Some(traverse) = (*ffi::Py_TYPE(object)).tp_traverse
                {
                    traverse(object, visit, (&raw mut *self).cast());
                }
            }
            at += 1;
        }
    }
}

/// Whether an object can be asked for its references now. Python's collector leaves tuples and dictionaries alone that hold
/// nothing of interest to it, and it has none in JsProxies.
unsafe fn is_traversable(object: *mut PyObject) -> bool {
    // SAFETY: the object is alive, the GIL is held.
    unsafe {
        ffi::PyObject_GC_IsTracked(object) != 0
            || ffi::PyTuple_CheckExact(object) != 0
            || ffi::PyDict_CheckExact(object) != 0
    }
}

extern "C" fn visit(object: *mut PyObject, discovery: *mut c_void) -> c_int {
    // SAFETY: called by `tp_traverse` in `Discovery::follow`, which passed the discovery and does not use it meanwhile.
    unsafe {
        let discovery = discovery.cast::<Discovery>();
        let at = (*discovery).node(object);
        if at != NONE {
            (*discovery).edges.push(at);
        }
    }
    0
}
