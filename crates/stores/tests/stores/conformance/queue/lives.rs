//! Random lives, in which the engines must never differ.

use isthmus_stores::queue::{LeaseId, LeaseRequest, NewMessage, QueueStore};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::model::Model;
use super::{message, sqlite};

/// One step of a random life.
#[derive(Clone, Debug)]
enum Step {
    Send {
        count: u8,
        delay: u8,
    },
    Lease {
        limit: u8,
        bytes: u8,
        length: u8,
        pushed: bool,
        spent: Option<u32>,
    },
    Acknowledge(u8),
    Remove(u8),
    Expire(u8, u8),
    Held(u8),
    Retry(u8, u8),
    GiveBack(u8, u8),
    Release,
    Pass(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..5_u8, 0..20_u8).prop_map(|(count, delay)| Step::Send { count, delay }),
        4 => (1..6_u8, 0..30_u8, 0..30_u8, any::<bool>(), proptest::option::weighted(0.3, 1..4_u32))
            .prop_map(|(limit, bytes, length, pushed, spent)| Step::Lease { limit, bytes, length, pushed, spent }),
        3 => any::<u8>().prop_map(Step::Acknowledge),
        1 => any::<u8>().prop_map(Step::Remove),
        1 => (0..40_u8, 1..5_u8).prop_map(|(age, limit)| Step::Expire(age, limit)),
        1 => any::<u8>().prop_map(Step::Held),
        2 => (any::<u8>(), 0..20_u8).prop_map(|(which, delay)| Step::Retry(which, delay)),
        1 => (any::<u8>(), 0..20_u8).prop_map(|(which, delay)| Step::GiveBack(which, delay)),
        1 => Just(Step::Release),
        3 => (0..15_u8).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Lives through the steps on both engines; they must never differ.
async fn live(steps: &[Step]) -> TestCaseResult {
    let (_folder, sqlite) = sqlite();
    let model = Model::default();
    let (mut now, mut lease, mut name) = (0, 0, 0_u8);
    let mut leases: Vec<LeaseId> = Vec::new();
    let pick = |leases: &[LeaseId], which: u8| leases.get(usize::from(which) % leases.len().max(1)).copied();
    for step in steps {
        match *step {
            Step::Send { count, delay } => {
                let messages: Vec<_> = (0..count)
                    .map(|_| {
                        name = name.wrapping_add(1);
                        NewMessage {
                            sent: now,
                            ..message(
                                name,
                                now + i64::from(delay),
                                &b"0123456789"[..usize::from(name % 10)],
                            )
                        }
                    })
                    .collect();
                prop_assert_eq!(
                    sqlite.send(messages.clone(), now).await,
                    model.send(messages, now).await
                );
            }
            Step::Lease {
                limit,
                bytes,
                length,
                pushed,
                spent,
            } => {
                lease += 1;
                let request = LeaseRequest {
                    lease: if pushed { -lease } else { lease },
                    limit: limit.into(),
                    bytes: bytes.into(),
                    now,
                    until: now + i64::from(length),
                    spent,
                };
                let leased = sqlite.lease(request).await;
                prop_assert_eq!(&leased, &model.lease(request).await);
                leases.extend(leased.expect("leases").iter().map(|message| message.id));
            }
            Step::Acknowledge(which) => {
                let leases: Vec<_> = pick(&leases, which).into_iter().collect();
                prop_assert_eq!(
                    sqlite.acknowledge(leases.clone()).await,
                    model.acknowledge(leases).await
                );
            }
            Step::Remove(which) => {
                // Names count like numbers; every other time it is another's.
                let messages: Vec<_> = pick(&leases, which)
                    .map(|id| (id.message, [(id.message as u8).wrapping_add(which % 2); 16]))
                    .into_iter()
                    .collect();
                prop_assert_eq!(
                    sqlite.remove(messages.clone()).await,
                    model.remove(messages).await
                );
            }
            Step::Expire(age, limit) => {
                let (before, limit) = (now - i64::from(age), limit.into());
                prop_assert_eq!(
                    sqlite.expire(before, limit).await,
                    model.expire(before, limit).await
                );
            }
            Step::Held(which) => {
                let mut leases: Vec<_> = leases[usize::from(which) % leases.len().max(1)..].to_vec();
                leases.dedup();
                prop_assert_eq!(sqlite.held(leases.clone()).await, model.held(leases).await);
            }
            Step::Retry(which, delay) => {
                let leases: Vec<_> = pick(&leases, which)
                    .map(|id| (id, now + i64::from(delay)))
                    .into_iter()
                    .collect();
                prop_assert_eq!(sqlite.retry(leases.clone()).await, model.retry(leases).await);
            }
            Step::GiveBack(which, delay) => {
                let leases: Vec<_> = pick(&leases, which)
                    .map(|id| (id, now + i64::from(delay)))
                    .into_iter()
                    .collect();
                prop_assert_eq!(
                    sqlite.give_back(leases.clone()).await,
                    model.give_back(leases).await
                );
            }
            Step::Release => prop_assert_eq!(sqlite.release().await, model.release().await),
            Step::Pass(time) => now += i64::from(time),
        }
        prop_assert_eq!(sqlite.state(now).await, model.state(now).await);
        prop_assert_eq!(sqlite.lease_end(2).await, model.lease_end(2).await);
        prop_assert_eq!(sqlite.waiting(3, now).await, model.waiting(3, now).await);
        prop_assert_eq!(sqlite.peek(100).await, model.peek(100).await);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn engines_agree_in_every_life(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(live(&steps))?;
    }
}
