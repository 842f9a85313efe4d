//! From the tree of a configuration to a [`Project`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::LoadOptions;
use crate::assets;
use crate::bindings;
use crate::discover::lexically_normal;
use crate::environment::Environment;
use crate::flags::{self, FlagState};
use crate::model::{Build, ModuleRule, Project, VarValue, main_fault};
use crate::queues;
use crate::raw::{Entry, Node, Table, Value};
use crate::report::{Diagnostic, Findings, Report};
use crate::schema::{self, KEYS, Role};
use crate::secrets::{self, Secrets};
use crate::source::{Origin, Source, Span, Spanned};
use crate::triggers;

/// The port of `wrangler dev`.
const DEFAULT_PORT: u16 = 8787;

/// What upstream's tools say of a Python Worker that doesn't ask for Python.
const PYTHON_FLAG_MISSING: &str = "The `python_workers` compatibility flag is required to use Python.";

/// Resolves a configuration. Everything found is in the report or in the project's warnings.
pub(crate) fn resolve(
    source: &Source,
    (top, top_span): (&Table, Span),
    options: &LoadOptions,
    mut findings: Findings,
) -> Result<Project, Report> {
    schema::check_top_level(top, &mut findings);
    let variable = options
        .process_env
        .iter()
        .find(|(name, _)| name == "CLOUDFLARE_ENV");
    let chosen = options
        .env
        .as_ref()
        .or(variable.map(|(_, value)| value))
        .filter(|name| !name.is_empty());
    let Some(environment) = Environment::choose(top, chosen.map(String::as_str), &mut findings) else {
        return Err(findings.into_report());
    };
    let root = source.path().parent().unwrap_or(Path::new("/")).to_owned();
    let resolver = Resolver {
        environment,
        root,
        top_span,
    };
    let project = resolver.project(source, options, &mut findings);
    match project {
        Some(mut project) if !findings.has_errors() => {
            project.warnings = findings.into_report();
            Ok(project)
        }
        _ => Err(findings.into_report()),
    }
}

struct Resolver<'a> {
    environment: Environment<'a>,
    root: PathBuf,
    top_span: Span,
}

impl Resolver<'_> {
    /// `None` only with an error in `findings`.
    fn project(&self, source: &Source, options: &LoadOptions, findings: &mut Findings) -> Option<Project> {
        let name = self.name(findings);
        let compatibility_date = self.compatibility_date(findings);
        let build = self.build();
        let main = self.main(build.as_ref(), findings);
        let flags = self.flags(&compatibility_date, main.as_deref(), findings);
        let Secrets {
            values: secrets,
            files: secret_files,
        } = secrets::load(
            &self.root,
            self.environment.name(),
            self.environment.value("secrets").is_some(),
            &options.process_env,
            findings,
        );
        let vars = self.vars(&options.vars, secrets, findings);
        let (dev_ip, dev_port) = self.dev(findings);
        let bindings = bindings::collect(&self.environment, &vars, findings);
        self.warn_about_what_is_not_served(findings);
        let module_root = self.module_root(main.as_deref(), findings);
        Some(Project {
            name,
            environment: self.environment.name().map(str::to_owned),
            config_path: source.path().to_owned(),
            python_modules: self.python_modules(module_root.as_deref(), findings),
            root: self.root.clone(),
            main: main?,
            module_root: module_root?,
            compatibility_date,
            flags,
            vars,
            secret_files,
            kv_namespaces: bindings.kv_namespaces,
            queue_producers: queues::producers(&self.environment, findings),
            queue_consumers: queues::consumers(&self.environment, findings),
            crons: triggers::crons(&self.environment, findings),
            d1_databases: bindings.d1_databases,
            r2_buckets: bindings.r2_buckets,
            assets: assets::assets(&self.environment, &self.root, build.is_some(), findings),
            rate_limits: bindings.rate_limits,
            stored_secrets: bindings.stored_secrets,
            version_metadata: bindings.version_metadata,
            rules: self.rules(),
            build,
            dev_ip,
            dev_port,
            unserved: bindings.unserved,
            warnings: Report::default(),
            origins: self.origins(findings),
        })
    }

    fn text(&self, key: &str) -> Option<(&str, Span)> {
        let value = self.environment.value(key)?;
        Some((value.as_text()?, value.span))
    }

    fn name(&self, findings: &mut Findings) -> String {
        // wrangler's own name for a Worker that has none.
        let (name, span) = self.text("name").unwrap_or(("worker", self.top_span));
        let valid = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'));
        if !valid {
            findings.add(
                Diagnostic::error("`name` may have lower-case letters, digits, `-` and `_` only")
                    .at(findings.origin(span)),
            );
        }
        match self.environment.name() {
            Some(environment) if !self.environment.has_own("name") => format!("{name}-{environment}"),
            _ => name.to_owned(),
        }
    }

    fn compatibility_date(&self, findings: &mut Findings) -> String {
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let Some(value) = self.environment.value("compatibility_date") else {
            findings.add(
                Diagnostic::warning(format!(
                    "there is no `compatibility_date`; today's is taken, {today}"
                ))
                .at(findings.origin(self.first_character()))
                .hint("with a date of its own a Worker keeps behaving as it does now"),
            );
            return today.to_string();
        };
        let Some(text) = value.as_text() else {
            return today.to_string();
        };
        match parse_date(text) {
            Some(date) if date <= today => {}
            Some(_) => findings.error(
                value.span,
                format!("`compatibility_date` is in the future: today is {today} (UTC)"),
            ),
            None => findings.add(
                Diagnostic::error(format!("`compatibility_date` is no date: {text:?}"))
                    .at(findings.origin(value.span))
                    .hint(format!("write it as year, month and day: \"{today}\"")),
            ),
        }
        text.to_owned()
    }

    fn flags(&self, date: &str, main: Option<&Path>, findings: &mut Findings) -> Vec<FlagState> {
        let value = self.environment.value("compatibility_flags");
        let named: Vec<Spanned<String>> = value
            .and_then(Value::as_list)
            .unwrap_or_default()
            .iter()
            .filter_map(|item| {
                Some(Spanned {
                    value: item.as_text()?.to_owned(),
                    span: item.span,
                })
            })
            .collect();
        let is_python = main.is_some_and(|main| main.extension().is_some_and(|extension| extension == "py"));
        if is_python && !named.iter().any(|flag| flag.value == "python_workers") {
            let main = self.environment.value("main").map(|main| main.span);
            let span = value.map(|value| value.span).or(main).unwrap_or(self.top_span);
            findings.add(
                Diagnostic::error(PYTHON_FLAG_MISSING)
                    .at(findings.origin(span))
                    .hint("add \"python_workers\" to `compatibility_flags`"),
            );
        }
        flags::resolve(&named, date, findings)
    }

    fn build(&self) -> Option<Build> {
        let table = self.environment.value("build")?.as_table()?;
        let text = |key| table.get(key).and_then(|entry| entry.value.as_text());
        let command = text("command").filter(|command| !command.trim().is_empty())?;
        let watch_dirs = match table.get("watch_dir").map(|entry| &entry.value.node) {
            Some(Node::Text(dir)) => vec![self.path(dir)],
            Some(Node::List(dirs)) => dirs
                .iter()
                .filter_map(Value::as_text)
                .map(|dir| self.path(dir))
                .collect(),
            _ => vec![self.path("src")],
        };
        let cwd = text("cwd").map_or_else(|| self.root.clone(), |cwd| self.path(cwd));
        Some(Build {
            command: command.to_owned(),
            cwd,
            watch_dirs,
        })
    }

    /// A path of the configuration, which is relative to its folder.
    fn path(&self, written: &str) -> PathBuf {
        lexically_normal(&self.root.join(written))
    }

    fn main(&self, build: Option<&Build>, findings: &mut Findings) -> Option<PathBuf> {
        let Some(value) = self.environment.value("main") else {
            findings.add(
                Diagnostic::error("there is no `main`")
                    .at(findings.origin(self.first_character()))
                    .hint("name the file of the Worker's main module: \"main\": \"src/entry.py\""),
            );
            return None;
        };
        let main = self.path(value.as_text()?);
        // A build may have to make it first.
        let fault = if main.exists() || build.is_none() {
            main_fault(&main, build)
        } else {
            None
        };
        let is_python = main.extension().is_some_and(|extension| extension == "py");
        match fault {
            Some(fault) => findings.add(fault.at(findings.origin(value.span))),
            None if !is_python => findings.add(
                Diagnostic::error("Isthmus runs Python Workers: `main` must be a .py file")
                    .at(findings.origin(value.span)),
            ),
            None => {}
        }
        Some(main)
    }

    fn module_root(&self, main: Option<&Path>, findings: &mut Findings) -> Option<PathBuf> {
        let main = main?;
        let Some((base_dir, span)) = self.text("base_dir") else {
            return main.parent().map(Path::to_owned);
        };
        let base_dir = self.path(base_dir);
        if !base_dir.is_dir() {
            findings.error(span, "`base_dir` is no folder");
        } else if !main.starts_with(&base_dir) {
            findings.error(span, "`main` isn't in `base_dir`");
        }
        Some(base_dir)
    }

    fn python_modules(&self, module_root: Option<&Path>, findings: &mut Findings) -> Option<PathBuf> {
        let inside = module_root.filter(|module_root| *module_root != self.root);
        if let Some(inside) = inside
            .map(|folder| folder.join("python_modules"))
            .filter(|path| path.is_dir())
        {
            let span = self
                .environment
                .value("main")
                .map_or(self.top_span, |main| main.span);
            findings.add(
                Diagnostic::error(format!(
                    "{} can't be inside the Worker's modules",
                    inside.display()
                ))
                .at(findings.origin(span))
                .hint("packages belong in `python_modules` beside the configuration"),
            );
        }
        Some(self.root.join("python_modules")).filter(|path| path.is_dir())
    }

    /// `vars`, overridden by `--var`, overridden by secrets.
    fn vars(
        &self,
        arguments: &[String],
        secrets: Vec<(String, String)>,
        findings: &mut Findings,
    ) -> Vec<(String, VarValue)> {
        let mut vars: Vec<(String, VarValue)> = Vec::new();
        let table = self.environment.value("vars").and_then(Value::as_table);
        for Entry { key, value, .. } in table.into_iter().flat_map(|table| &table.entries) {
            let value = match &value.node {
                Node::Text(text) => VarValue::Text(text.clone()),
                _ => VarValue::Json(value.to_json().to_string()),
            };
            vars.push((key.clone(), value));
        }
        for argument in arguments {
            match argument.split_once(':').filter(|(name, _)| !name.is_empty()) {
                Some((name, value)) => {
                    secrets::set(&mut vars, name.to_owned(), VarValue::Text(value.to_owned()));
                }
                None => findings.add(
                    Diagnostic::error(format!("`--var {argument}` has no value"))
                        .hint("write --var NAME:VALUE"),
                ),
            }
        }
        let required = self.required_secrets();
        let declared = self.environment.value("secrets").is_some();
        for required in required.iter().flatten() {
            let Spanned { value: name, span } = required;
            if !secrets.iter().any(|(other, _)| other == name) {
                findings.add(
                    Diagnostic::warning(format!("Missing required secrets: {name}"))
                        .at(findings.origin(*span))
                        .hint(
                            "put it into .dev.vars or .env beside the configuration, or into the environment",
                        ),
                );
            }
        }
        for (name, value) in secrets {
            let wanted = !declared
                || vars.iter().any(|(other, _)| *other == name)
                || required.iter().flatten().any(|required| required.value == name);
            if wanted {
                secrets::set(&mut vars, name, VarValue::Text(value));
            }
        }
        vars
    }

    fn required_secrets(&self) -> Option<Vec<Spanned<String>>> {
        let required = &self
            .environment
            .value("secrets")?
            .as_table()?
            .get("required")?
            .value;
        let text = |item: &Value| {
            Some(Spanned {
                value: item.as_text()?.to_owned(),
                span: item.span,
            })
        };
        Some(required.as_list()?.iter().filter_map(text).collect())
    }

    fn dev(&self, findings: &mut Findings) -> (IpAddr, u16) {
        let table = self.environment.value("dev").and_then(Value::as_table);
        let value = |key| table.and_then(|table| table.get(key)).map(|entry| &entry.value);
        let mut ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        if let Some((text, span)) = value("ip").and_then(|value| Some((value.as_text()?, value.span))) {
            match parse_ip(text) {
                Some(parsed) => ip = parsed,
                None => findings.error(span, format!("`dev.ip` is no IP address: {text:?}")),
            }
        }
        let mut port = DEFAULT_PORT;
        if let Some(Value {
            node: Node::Number(number),
            span,
        }) = value("port")
        {
            match number.as_u64().and_then(|number| u16::try_from(number).ok()) {
                Some(number) => port = number,
                None => findings.error(*span, "`dev.port` must be a whole number from 0 to 65535"),
            }
        }
        (ip, port)
    }

    fn rules(&self) -> Vec<ModuleRule> {
        let rule = |value: &Value| {
            let table = value.as_table()?;
            let globs = table.get("globs")?.value.as_list()?;
            Some(ModuleRule {
                module_type: table.get("type")?.value.as_text()?.to_owned(),
                globs: globs
                    .iter()
                    .filter_map(Value::as_text)
                    .map(str::to_owned)
                    .collect(),
                fallthrough: table
                    .get("fallthrough")
                    .is_some_and(|e| e.value.node == Node::Bool(true)),
            })
        };
        let rules = self.environment.value("rules").and_then(Value::as_list);
        rules.unwrap_or_default().iter().filter_map(rule).collect()
    }

    fn warn_about_what_is_not_served(&self, findings: &mut Findings) {
        for key in KEYS.iter().filter(|key| matches!(key.role, Role::NotYet)) {
            if let Some(entry) = self
                .environment
                .get(key.name)
                .filter(|entry| !is_empty(&entry.value))
            {
                findings.add(
                    Diagnostic::warning(format!("`{}` has no effect in Isthmus yet", key.name))
                        .at(findings.origin(entry.key_span)),
                );
            }
        }
    }

    /// Where to point when something is missing from the whole file.
    fn first_character(&self) -> Span {
        Span::new(self.top_span.start, self.top_span.start)
    }

    fn origins(&self, findings: &Findings) -> BTreeMap<String, Origin> {
        let mut origins = BTreeMap::new();
        for entry in KEYS.iter().filter_map(|key| self.environment.get(key.name)) {
            gather(&entry.key, &entry.value, findings, &mut origins);
        }
        origins
    }
}

/// Notes the place of a value and of those in it.
fn gather(path: &str, value: &Value, findings: &Findings, origins: &mut BTreeMap<String, Origin>) {
    origins.insert(path.to_owned(), findings.origin(value.span));
    match &value.node {
        Node::Table(table) => {
            for entry in &table.entries {
                gather(&format!("{path}.{}", entry.key), &entry.value, findings, origins);
            }
        }
        Node::List(items) => {
            for (index, item) in items.iter().enumerate() {
                gather(&format!("{path}[{index}]"), item, findings, origins);
            }
        }
        _ => {}
    }
}

pub(crate) fn is_empty(value: &Value) -> bool {
    match &value.node {
        Node::List(items) => items.is_empty(),
        Node::Table(table) => table.entries.is_empty(),
        _ => false,
    }
}

/// A date of the form `YYYY-MM-DD` and no other.
fn parse_date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(date)
}

/// An address to listen on, with the names that wrangler takes for one.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    match text {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        _ => text.parse().ok(),
    }
}
