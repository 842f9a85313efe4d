//! Any course of operations answers as a `BTreeMap` would.

use std::collections::BTreeMap;

use crate::support::{Bench, START, delete, get, list, put_with};
use isthmus_stores::kv::KvNamespace;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Put {
        key: String,
        value: Vec<u8>,
        ttl: Option<i32>,
    },
    Delete {
        key: String,
    },
    Get {
        key: String,
    },
    List {
        prefix: String,
        limit: i32,
    },
    Advance {
        seconds: u64,
    },
    Reopen,
}

fn key() -> impl Strategy<Value = String> {
    // Few enough that keys meet again; of one, two, three and four bytes, and special to SQL or C.
    let characters = prop::sample::select(vec![
        'a',
        'b',
        '%',
        '_',
        '\0',
        'é',
        '\u{ffee}',
        '😀',
        '\u{10ffff}',
    ]);
    prop::collection::vec(characters, 1..4).prop_map(|characters| characters.into_iter().collect())
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..20),
        1 => any::<u8>().prop_map(|byte| vec![byte; 70_000]),
    ];
    prop_oneof![
        6 => (key(), value, prop::option::of(60..200)).prop_map(|(key, value, ttl)| Step::Put { key, value, ttl }),
        2 => key().prop_map(|key| Step::Delete { key }),
        4 => key().prop_map(|key| Step::Get { key }),
        3 => (prop_oneof![Just(String::new()), key()], 1..5)
            .prop_map(|(prefix, limit)| Step::List { prefix, limit }),
        2 => (1..100u64).prop_map(|seconds| Step::Advance { seconds }),
        1 => Just(Step::Reopen),
    ]
}

type Model = BTreeMap<String, (Vec<u8>, Option<u64>)>;

async fn check(bench: &Bench, kv: &mut Option<KvNamespace>, model: &mut Model, now: &mut u64, step: &Step) {
    let open = kv.get_or_insert_with(|| bench.namespace());
    match step {
        Step::Put { key, value, ttl } => {
            put_with(open, key, value.clone(), None, *ttl, None)
                .await
                .expect("written");
            let end = ttl.map(|seconds| *now + u64::try_from(seconds).expect("positive"));
            model.insert(key.clone(), (value.clone(), end));
        }
        Step::Delete { key } => {
            delete(open, key).await.expect("deleted");
            model.remove(key);
        }
        Step::Get { key } => {
            let found = get(open, key).await.expect("reads");
            assert_eq!(found.as_deref(), model.get(key).map(|(value, _)| &**value));
        }
        Step::List { prefix, limit } => {
            let expected: Vec<_> = model
                .keys()
                .filter(|key| key.starts_with(prefix))
                .cloned()
                .collect();
            let mut listed = Vec::new();
            let mut cursor = None;
            loop {
                let part = list(open, Some(prefix), Some(*limit), cursor.as_deref())
                    .await
                    .expect("lists");
                listed.extend(part.0);
                cursor = part.1;
                if cursor.is_none() {
                    break;
                }
                assert_eq!(
                    listed.len() % usize::try_from(*limit).expect("positive"),
                    0,
                    "a short part"
                );
            }
            assert_eq!(listed, expected);
        }
        Step::Advance { seconds } => {
            bench.clock.advance(*seconds);
            *now += seconds;
            model.retain(|_, (_, end)| end.is_none_or(|end| end > *now));
        }
        Step::Reopen => *kv = None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn it_answers_as_a_map(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let bench = Bench::new();
            let (mut kv, mut model, mut now) = (None, Model::new(), START);
            for step in &steps {
                check(&bench, &mut kv, &mut model, &mut now, step).await;
            }
        });
    }
}
