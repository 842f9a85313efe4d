//! `isthmus queues …`: what is in queues, with wrangler's words.

use std::path::Path;

use isthmus_host::shell::state::StoreKind;
use isthmus_host::shell::{Access, Operation, Reply, Resource, StoresClient, Upload, queue};
use isthmus_project::{ConsumerType, Diagnostic, Project, QueueConsumer, Report};
use serde::Serialize;

use super::input;
use super::state::{State, failed};
use crate::args::{
    QueueArguments, QueueContentType, QueuesCommand, QueuesListArguments, QueuesPurgeArguments,
    QueuesSendArguments, QueuesUpdateArguments,
};
use crate::printer::Printer;

pub(crate) fn run(command: QueuesCommand, printer: &Printer) -> Result<(), Report> {
    match command {
        QueuesCommand::List(arguments) => list(&arguments, printer),
        QueuesCommand::Info(arguments) => info(&arguments, printer),
        QueuesCommand::Send(arguments) => send(&arguments, printer),
        QueuesCommand::Update(arguments) => update(&arguments, printer),
        QueuesCommand::Purge(arguments) => purge(&arguments, printer),
        QueuesCommand::Pause(arguments) => pause(&arguments, true, printer),
        QueuesCommand::Resume(arguments) => pause(&arguments, false, printer),
    }
}

/// What is known of a queue, as `--json` has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    name: &'a str,
    #[serde(flatten)]
    contents: Contents,
    /// The names of bindings.
    producers: Vec<&'a str>,
    /// `worker` or `http_pull`.
    consumer: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Contents {
    backlog_count: u64,
    backlog_bytes: u64,
    oldest_message_timestamp: Option<i64>,
    in_flight: u64,
    paused: bool,
    message_retention_period_secs: u32,
}

impl<'a> Shown<'a> {
    fn new(name: &'a str, contents: Contents, project: Option<&'a Project>) -> Self {
        let producers = project.map_or(&[][..], |project| &project.queue_producers);
        let consumers = project.map_or(&[][..], |project| &project.queue_consumers);
        let consumer = consumers.iter().find(|consumer| consumer.queue == name);
        Self {
            name,
            contents,
            producers: producers
                .iter()
                .filter(|producer| producer.queue == name)
                .map(|producer| producer.binding.as_str())
                .collect(),
            consumer: consumer.map(type_of),
        }
    }
}

fn type_of(consumer: &QueueConsumer) -> &'static str {
    match consumer.consumer_type {
        ConsumerType::Worker => "worker",
        ConsumerType::HttpPull => "http_pull",
    }
}

/// A queue that a command works on.
struct Queue {
    client: StoresClient,
    state: State,
}

impl Queue {
    /// A queue that the project names or the state folder holds; another would be made by a slip of the hand.
    fn open(arguments: &QueueArguments, access: Access) -> Result<Self, Report> {
        let state = State::of(&arguments.state)?;
        let name = arguments.name.as_str();
        let named = named(state.project.as_ref());
        let is_known = named.contains(&name) || state.held(StoreKind::Queue)?.iter().any(|held| held == name);
        if !is_known {
            let bound: Vec<_> = named.into_iter().map(|name| (name, None)).collect();
            let unknown = Diagnostic::error(format!("Queue \"{name}\" does not exist."));
            return Err(unknown.hint(state.offer(&bound)).into());
        }
        let client = state.connect(Resource::Queue { name }, access)?;
        Ok(Self { client, state })
    }

    fn call(&self, operation: queue::Operation<'_>) -> Result<queue::Reply, Report> {
        let call = self.client.call(0, Operation::Queue(operation), Upload::None);
        let answer = self.client.block_on(call).map_err(failed)?;
        match answer.reply() {
            Reply::Queue(reply) => Ok(reply),
            _ => Err(unfit()),
        }
    }

    fn contents(&self) -> Result<Contents, Report> {
        match self.call(queue::Operation::State)? {
            queue::Reply::State {
                metrics,
                leased,
                paused,
                retention,
            } => Ok(Contents {
                backlog_count: metrics.backlog_count,
                backlog_bytes: metrics.backlog_bytes,
                oldest_message_timestamp: metrics.oldest_message,
                in_flight: leased,
                paused,
                message_retention_period_secs: retention,
            }),
            _ => Err(unfit()),
        }
    }
}

fn unfit() -> Report {
    failed("the answer is none to the question asked")
}

/// The queues that a project names, each once.
fn named(project: Option<&Project>) -> Vec<&str> {
    let mut names = Vec::new();
    let Some(project) = project else { return names };
    for name in project
        .queue_producers
        .iter()
        .map(|producer| producer.queue.as_str())
        .chain(project.queue_consumers.iter().flat_map(|consumer| {
            [
                Some(consumer.queue.as_str()),
                consumer.dead_letter_queue.as_deref(),
            ]
            .into_iter()
            .flatten()
        }))
    {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn list(arguments: &QueuesListArguments, printer: &Printer) -> Result<(), Report> {
    let state = State::of(&arguments.state)?;
    let mut names: Vec<String> = named(state.project.as_ref())
        .into_iter()
        .map(str::to_owned)
        .collect();
    for name in state.held(StoreKind::Queue)? {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut shown = Vec::with_capacity(names.len());
    // One that is damaged doesn't hide the others.
    let mut broken = Report::default();
    for name in &names {
        let client = state.connect(Resource::Queue { name }, Access::Existing);
        let contents = client.and_then(|client| {
            let queue = Queue {
                client,
                state: State {
                    project: None,
                    folder: state.folder.clone(),
                },
            };
            queue.contents()
        });
        match contents {
            Ok(contents) => shown.push(Shown::new(name, contents, state.project.as_ref())),
            Err(report) => broken.diagnostics.extend(report.diagnostics),
        }
    }
    if arguments.state.project.json {
        printer.json(&shown).map_err(failed)?;
    } else if names.is_empty() {
        printer.data("There are no queues.\n");
    } else {
        for queue in &shown {
            printer.data(&line(queue));
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

/// One line of a list.
fn line(queue: &Shown<'_>) -> String {
    let Contents {
        backlog_count,
        in_flight,
        paused,
        ..
    } = queue.contents;
    let messages = if backlog_count == 1 { "message" } else { "messages" };
    let in_flight = if in_flight == 0 {
        String::new()
    } else {
        format!(", {in_flight} in flight")
    };
    let consumer = match queue.consumer {
        Some(kind) => format!(", consumer: {kind}"),
        None => ", no consumer".to_owned(),
    };
    let paused = if paused { ", paused" } else { "" };
    format!(
        "{}: {backlog_count} {messages}{in_flight}{consumer}{paused}\n",
        queue.name
    )
}

fn info(arguments: &QueueArguments, printer: &Printer) -> Result<(), Report> {
    let queue = Queue::open(arguments, Access::Existing)?;
    let shown = Shown::new(&arguments.name, queue.contents()?, queue.state.project.as_ref());
    if arguments.state.project.json {
        return printer.json(&shown).map_err(failed);
    }
    let Contents {
        backlog_count,
        backlog_bytes,
        in_flight,
        paused,
        message_retention_period_secs,
        ..
    } = shown.contents;
    let producers = if shown.producers.is_empty() {
        "none".to_owned()
    } else {
        shown.producers.join(", ")
    };
    printer.data(&format!(
        "Queue Name: {}\nProducers: {producers}\nConsumer: {}\nMessages: {backlog_count} ({backlog_bytes} bytes)\n\
         In flight: {in_flight}\nDelivery: {}\nMessage retention: {message_retention_period_secs} seconds\n",
        shown.name,
        shown.consumer.unwrap_or("none"),
        if paused { "paused" } else { "active" },
    ));
    Ok(())
}

fn send(arguments: &QueuesSendArguments, printer: &Printer) -> Result<(), Report> {
    let queue = Queue::open(&arguments.queue, Access::Make)?;
    let body = match arguments.message.as_str() {
        "-" => input::read(Path::new("-"))?,
        text => text.as_bytes().to_vec(),
    };
    let unfit = |what: &str| failed(format!("the message is not {what}"));
    match arguments.content_type {
        QueueContentType::Text => {
            std::str::from_utf8(&body).map_err(|_| unfit("UTF-8: --content-type bytes sends any bytes"))?;
        }
        QueueContentType::Json => {
            serde_json::from_slice::<serde::de::IgnoredAny>(&body)
                .map_err(|error| unfit(&format!("JSON: {error}")))?;
        }
        QueueContentType::Bytes => {}
    }
    let with_body = body.len() <= queue::BODIES_MAX;
    queue.call(queue::Operation::Send(queue::Outgoing {
        content_type: arguments.content_type.into(),
        delay: arguments.delay_secs,
        length: body.len() as u64,
        body: if with_body { &body } else { &[] },
    }))?;
    let name = &arguments.queue.name;
    if arguments.queue.state.project.json {
        let sent = serde_json::json!({ "queue": name, "bytes": body.len() });
        return printer.json(&sent).map_err(failed);
    }
    printer.data(&format!(
        "Sent a message of {} bytes to queue {name}.\n",
        body.len()
    ));
    Ok(())
}

fn update(arguments: &QueuesUpdateArguments, printer: &Printer) -> Result<(), Report> {
    let queue = Queue::open(&arguments.queue, Access::Make)?;
    let seconds = arguments.message_retention_period_secs;
    queue.call(queue::Operation::Retain { seconds })?;
    let name = &arguments.queue.name;
    if arguments.queue.state.project.json {
        let updated = serde_json::json!({ "queue": name, "messageRetentionPeriodSecs": seconds });
        return printer.json(&updated).map_err(failed);
    }
    printer.data(&format!(
        "Updated queue {name}: messages are kept for {seconds} seconds.\n"
    ));
    Ok(())
}

fn purge(arguments: &QueuesPurgeArguments, printer: &Printer) -> Result<(), Report> {
    let queue = Queue::open(&arguments.queue, Access::Existing)?;
    let name = &arguments.queue.name;
    let question = format!("This operation will permanently delete all the messages in queue {name}. Go on?");
    if !arguments.force && !input::confirm(printer, &question)? {
        printer.message("Nothing was deleted.\n");
        return Ok(());
    }
    let queue::Reply::Purged(messages) = queue.call(queue::Operation::Purge)? else {
        return Err(unfit());
    };
    if arguments.queue.state.project.json {
        let purged = serde_json::json!({ "queue": name, "messages": messages });
        return printer.json(&purged).map_err(failed);
    }
    printer.data(&format!(
        "Purged queue '{name}': {messages} messages were deleted.\n"
    ));
    Ok(())
}

fn pause(arguments: &QueueArguments, paused: bool, printer: &Printer) -> Result<(), Report> {
    let queue = Queue::open(arguments, Access::Make)?;
    queue.call(queue::Operation::Pause { paused })?;
    let name = &arguments.name;
    if arguments.state.project.json {
        let state = serde_json::json!({ "queue": name, "paused": paused });
        return printer.json(&state).map_err(failed);
    }
    let done = if paused { "Paused" } else { "Resumed" };
    printer.data(&format!("{done} message delivery for queue {name}.\n"));
    Ok(())
}
