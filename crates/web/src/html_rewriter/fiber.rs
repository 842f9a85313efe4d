//! A function on a stack of its own: it stops in the middle, and goes on where it stopped.
//!
//! `lol_html` calls its handlers from deep inside, and a handler may have to wait for a promise. So it runs on a
//! [`Fiber`], of the engine's thread, and what a handler is to do happens on the thread's own stack, where both engines
//! know their limits. A switch costs some nanoseconds; no thread waits for another.
//!
//! The bodies of fibers must not touch JavaScript. `corosensei` switches the stacks; it lends its switch to the body by
//! reference, where `lol_html` wants handlers that borrow nothing. [`Suspender`] stands for that reference and checks
//! what the borrow checker can't.

#![expect(
    unsafe_code,
    reason = "handlers that must be 'static have to reach the switch, which is lent to the body of the fiber only"
)]

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::rc::Rc;

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// Bytes of a stack, of which the kernel gives those that are used. Upstream makes do with a quarter.
const STACK: usize = 256 * 1024;

/// How many unused stacks a thread keeps.
const SPARE: usize = 8;

thread_local! {
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

/// A function that has not returned yet. One that is dropped in the middle is unwound.
pub(super) struct Fiber<Input: 'static, Output: 'static> {
    /// `None` once the function has returned.
    coroutine: Option<Coroutine<Input, Output, Output>>,
}

/// With this the function of a fiber stops itself.
pub(super) struct Suspender<Input: 'static, Output: 'static>(Rc<Link<Input, Output>>);

struct Link<Input: 'static, Output: 'static> {
    /// Set while the function runs or is stopped in the middle.
    yielder: Cell<Option<NonNull<Yielder<Input, Output>>>>,
    /// Where the fiber's stack is.
    stack: Range<usize>,
}

impl<Input, Output> Clone for Suspender<Input, Output> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<Input, Output> Suspender<Input, Output> {
    /// Has [`Fiber::resume`] return `output`; returns what it is called with next.
    ///
    /// # Panics
    /// Unless it is called by the function of its own fiber.
    pub(super) fn suspend(&self, output: Output) -> Input {
        let here = 0u8;
        assert!(
            self.0.stack.contains(&(&raw const here).addr()),
            "only what runs on a fiber can suspend it"
        );
        let yielder = self.0.yielder.get().expect("the function of the fiber runs");
        // SAFETY: the pointer is to a reference that the function of this fiber was called with, and is taken back before
        // that call ends, be it by unwinding. `Suspender` is bound to its thread. Since this very call is on the fiber's stack,
        // it is inside of that function's, and the switch is the one that belongs to the stack that runs.
        unsafe { yielder.as_ref() }.suspend(output)
    }
}

/// Takes the pointer back when the function ends.
struct Lent<Input: 'static, Output: 'static>(Suspender<Input, Output>);

impl<Input, Output> Drop for Lent<Input, Output> {
    fn drop(&mut self) {
        self.0.0.yielder.set(None);
    }
}

impl<Input, Output> Fiber<Input, Output> {
    /// A fiber that will run `function`; its first input is that of the first [`Fiber::resume`].
    ///
    /// # Errors
    /// If the kernel has no memory for a stack.
    pub(super) fn new(
        function: impl FnOnce(&Suspender<Input, Output>, Input) -> Output + 'static,
    ) -> io::Result<Self> {
        let stack = match STACKS.with_borrow_mut(Vec::pop) {
            Some(stack) => stack,
            None => DefaultStack::new(STACK)?,
        };
        let suspender = Suspender(Rc::new(Link {
            yielder: Cell::new(None),
            stack: stack.limit().get()..stack.base().get(),
        }));
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<Input, Output>, input| {
            suspender.0.yielder.set(Some(NonNull::from(yielder)));
            let lent = Lent(suspender);
            function(&lent.0, input)
        });
        Ok(Self {
            coroutine: Some(coroutine),
        })
    }

    /// Whether the function has returned.
    pub(super) fn is_done(&self) -> bool {
        self.coroutine.is_none()
    }

    /// Runs the function until it is suspended or returns, with what it gives then. A panic of the function goes through.
    ///
    /// # Panics
    /// If the function has returned.
    pub(super) fn resume(&mut self, input: Input) -> Output {
        // Out of its place, so that one that panics is not resumed again.
        let mut coroutine = self.coroutine.take().expect("the function has not returned");
        match coroutine.resume(input) {
            CoroutineResult::Yield(output) => {
                self.coroutine = Some(coroutine);
                output
            }
            CoroutineResult::Return(output) => {
                STACKS.with_borrow_mut(|stacks| {
                    if stacks.len() < SPARE {
                        stacks.push(coroutine.into_stack());
                    }
                });
                output
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fiber;

    #[test]
    fn values_go_to_and_fro() {
        let mut fiber = Fiber::new(|link, first: u32| {
            let mut sum = first;
            while sum < 100 {
                sum += link.suspend(sum);
            }
            sum
        })
        .unwrap();
        assert_eq!(fiber.resume(1), 1);
        assert_eq!(fiber.resume(40), 41);
        assert!(!fiber.is_done());
        assert_eq!(fiber.resume(70), 111);
        assert!(fiber.is_done());
    }

    #[test]
    fn fibers_are_apart() {
        let new = || {
            Fiber::new(|link, mut value: u32| {
                for _ in 0..3 {
                    value = link.suspend(value * 2);
                }
                0
            })
            .unwrap()
        };
        let (mut first, mut second) = (new(), new());
        assert_eq!((first.resume(1), second.resume(10)), (2, 20));
        assert_eq!((second.resume(11), first.resume(2)), (22, 4));
        assert_eq!((first.resume(3), first.resume(0)), (6, 0));
        assert_eq!(second.resume(12), 24);
    }

    #[test]
    fn one_that_is_dropped_is_unwound() {
        let alive = std::rc::Rc::new(());
        let held = std::rc::Rc::clone(&alive);
        let mut fiber = Fiber::new(move |link, ()| {
            let _held = held;
            link.suspend(());
        })
        .unwrap();
        fiber.resume(());
        assert_eq!(std::rc::Rc::strong_count(&alive), 2);
        drop(fiber);
        assert_eq!(std::rc::Rc::strong_count(&alive), 1);
    }

    #[test]
    fn nobody_else_can_suspend_it() {
        let (give, take) = std::sync::mpsc::channel();
        let mut fiber = Fiber::new(move |link, ()| {
            give.send(link.clone()).unwrap();
            link.suspend(());
        })
        .unwrap();
        fiber.resume(());
        let link = take.recv().unwrap();
        let from_outside = std::panic::AssertUnwindSafe(|| link.suspend(()));
        assert!(std::panic::catch_unwind(from_outside).is_err());
        let other = link.clone();
        let mut second = Fiber::new(move |_, ()| other.suspend(())).unwrap();
        let from_another = std::panic::AssertUnwindSafe(|| second.resume(()));
        assert!(std::panic::catch_unwind(from_another).is_err());
        fiber.resume(());
        assert!(fiber.is_done());
    }

    #[test]
    fn a_panic_comes_out() {
        let mut fiber: Fiber<(), ()> = Fiber::new(|_, ()| panic!("on a fiber")).unwrap();
        let resumed = std::panic::AssertUnwindSafe(|| fiber.resume(()));
        assert!(std::panic::catch_unwind(resumed).is_err());
        assert!(fiber.is_done());
    }
}
