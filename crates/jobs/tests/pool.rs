//! Jobs on other threads, as the engine's thread sees them.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use isthmus_jobs::Pool;

const LONG: Duration = Duration::from_secs(60);

/// Everything that comes until nothing is outstanding.
fn all<E: Send + 'static>(pool: &Pool<E>) -> Vec<E> {
    let mut ends = Vec::new();
    while pool.outstanding() > 0 {
        pool.wait(LONG);
        ends.extend(pool.finished());
    }
    ends
}

#[test]
fn ends_come_back_from_other_threads() {
    let pool = Pool::new().unwrap();
    let home = thread::current().id();
    for number in 0..100 {
        pool.run(Box::new(move || (number, thread::current().id())));
    }
    let mut ends = all(&pool);
    assert!(ends.iter().all(|(_, thread)| *thread != home));
    ends.sort_by_key(|(number, _)| *number);
    assert!(ends.iter().map(|(number, _)| *number).eq(0..100));
}

#[test]
fn a_job_that_panics_ends_nothing_but_itself() {
    let pool = Pool::new().unwrap();
    for number in 0..10 {
        pool.run(Box::new(move || {
            assert!(number % 2 == 0, "odd");
            number
        }));
    }
    let mut ends = all(&pool);
    ends.sort_unstable();
    assert_eq!(ends, [0, 2, 4, 6, 8]);
}

#[test]
fn the_descriptor_is_readable_while_there_is_something_to_take() {
    let pool = Pool::new().unwrap();
    let (go, wait) = mpsc::channel::<()>();
    pool.run(Box::new(move || wait.recv().is_ok()));
    assert!(pool.finished().is_empty());
    assert_eq!(pool.outstanding(), 1);
    go.send(()).unwrap();
    // A read of the descriptor would take the byte that belongs to the pool; it is asked by way of `wait`.
    pool.wait(LONG);
    assert_eq!(pool.finished(), [true]);
    assert_eq!(pool.outstanding(), 0);
    assert!(pool.finished().is_empty());
}

#[test]
fn a_pool_may_go_before_its_jobs() {
    let pool = Pool::new().unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel::<()>();
    pool.run(Box::new(move || {
        tell.send(()).unwrap();
        let _ = wait.recv();
        tell.send(()).unwrap();
    }));
    assert!(told.recv_timeout(LONG).is_ok());
    drop(pool);
    go.send(()).unwrap();
    assert!(told.recv_timeout(LONG).is_ok());
}
