//! Which file a path means. HTML files have one URL each, to which the others are redirected; which one it is says
//! [`html_handling`](https://developers.cloudflare.com/workers/static-assets/routing/advanced/html-handling/).
//!
//! Each way of handling is a list of steps by what the path ends in: serve this file if it exists, or redirect there if that
//! leads to this file. The first that succeeds decides.

use isthmus_project::{HtmlHandling, NotFoundHandling};

use crate::folder::Found;

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// This file.
    Serve {
        /// Its path from the folder on.
        path: String,
        found: Found,
        /// It is there for the one that isn't: status 404.
        is_missing: bool,
    },
    /// Another path.
    Redirect(String),
}

enum Step {
    Serve(String),
    Redirect { file: String, to: String },
}

/// What a decoded path means; `None` if nothing.
pub(crate) fn of(
    path: &str,
    html: HtmlHandling,
    missing: NotFoundHandling,
    find: &dyn Fn(&str) -> Option<Found>,
) -> Option<Intent> {
    decide(path, html, missing, find, true)
}

fn decide(
    path: &str,
    html: HtmlHandling,
    missing: NotFoundHandling,
    find: &dyn Fn(&str) -> Option<Found>,
    may_redirect: bool,
) -> Option<Intent> {
    for step in steps(path, html) {
        match step {
            Step::Serve(file) => {
                if let Some(found) = find(&file) {
                    return Some(Intent::Serve {
                        path: file,
                        found,
                        is_missing: false,
                    });
                }
            }
            Step::Redirect { file, to } => {
                if may_redirect && find(&to).is_none() && leads_to(&to, &file, html, missing, find) {
                    return Some(Intent::Redirect(to));
                }
            }
        }
    }
    instead(path, missing, find)
}

/// Whether a path would serve a file, which exists.
fn leads_to(
    path: &str,
    file: &str,
    html: HtmlHandling,
    missing: NotFoundHandling,
    find: &dyn Fn(&str) -> Option<Found>,
) -> bool {
    find(file).is_some()
        && matches!(
            decide(path, html, missing, find, false),
            Some(Intent::Serve { path, .. }) if path == file
        )
}

/// What a path gets that has no file.
fn instead(path: &str, missing: NotFoundHandling, find: &dyn Fn(&str) -> Option<Found>) -> Option<Intent> {
    match missing {
        NotFoundHandling::None => None,
        NotFoundHandling::SinglePageApplication => find("/index.html").map(|found| Intent::Serve {
            path: "/index.html".to_owned(),
            found,
            is_missing: false,
        }),
        NotFoundHandling::NotFoundPage => {
            let mut folder = path;
            while let Some(end) = folder.rfind('/') {
                folder = &folder[..end];
                let page = format!("{folder}/404.html");
                if let Some(found) = find(&page) {
                    return Some(Intent::Serve {
                        path: page,
                        found,
                        is_missing: true,
                    });
                }
            }
            None
        }
    }
}

fn steps(path: &str, html: HtmlHandling) -> Vec<Step> {
    let serve = |file: &str| Step::Serve(file.to_owned());
    let redirect = |file: String, to: &str| Step::Redirect {
        file,
        to: to.to_owned(),
    };
    let ending = |end: &str| path.strip_suffix(end);
    let mut steps = Vec::with_capacity(6);
    match html {
        HtmlHandling::None => return vec![serve(path)],
        HtmlHandling::AutoTrailingSlash => {
            if let Some(folder) = ending("/index") {
                steps.push(serve(path));
                steps.push(redirect(format!("{path}.html"), &format!("{folder}/")));
                steps.push(redirect(format!("{folder}.html"), folder));
            } else if let Some(folder) = ending("/index.html") {
                steps.push(redirect(path.to_owned(), &format!("{folder}/")));
                steps.push(redirect(format!("{folder}.html"), folder));
            } else if let Some(name) = ending("/") {
                steps.push(serve(&format!("{path}index.html")));
                steps.push(redirect(format!("{name}.html"), name));
            } else if let Some(name) = ending(".html") {
                steps.push(redirect(path.to_owned(), name));
                steps.push(redirect(format!("{name}/index.html"), &format!("{name}/")));
            }
            steps.push(serve(path));
            steps.push(serve(&format!("{path}.html")));
            steps.push(redirect(format!("{path}/index.html"), &format!("{path}/")));
        }
        HtmlHandling::ForceTrailingSlash => {
            if let Some(folder) = ending("/index") {
                let to = format!("{folder}/");
                steps.push(serve(path));
                steps.push(redirect(format!("{path}.html"), &to));
                steps.push(redirect(format!("{folder}.html"), &to));
            } else if let Some(folder) = ending("/index.html") {
                let to = format!("{folder}/");
                steps.push(redirect(path.to_owned(), &to));
                steps.push(redirect(format!("{folder}.html"), &to));
            } else if let Some(name) = ending("/") {
                steps.push(serve(&format!("{path}index.html")));
                steps.push(serve(&format!("{name}.html")));
            } else if let Some(name) = ending(".html") {
                let to = format!("{name}/");
                steps.push(redirect(path.to_owned(), &to));
                steps.push(serve(path));
                steps.push(redirect(format!("{name}/index.html"), &to));
            }
            let to = format!("{path}/");
            steps.push(serve(path));
            steps.push(redirect(format!("{path}.html"), &to));
            steps.push(redirect(format!("{path}/index.html"), &to));
        }
        HtmlHandling::DropTrailingSlash => {
            if path == "/index" {
                steps.push(serve(path));
                steps.push(redirect("/index.html".to_owned(), "/"));
            } else if let Some(folder) = ending("/index") {
                steps.push(serve(path));
                steps.push(redirect(format!("{folder}.html"), folder));
                steps.push(redirect(format!("{path}.html"), folder));
            } else if path == "/index.html" {
                steps.push(redirect(path.to_owned(), "/"));
            } else if let Some(folder) = ending("/index.html") {
                steps.push(redirect(path.to_owned(), folder));
                steps.push(serve(path));
                steps.push(redirect(format!("{folder}.html"), folder));
            } else if path == "/" {
                steps.push(serve("/index.html"));
            } else if let Some(name) = ending("/") {
                steps.push(redirect(format!("{name}.html"), name));
                steps.push(redirect(format!("{name}/index.html"), name));
            } else if let Some(name) = ending(".html") {
                steps.push(redirect(path.to_owned(), name));
                steps.push(redirect(format!("{name}/index.html"), name));
            }
            steps.push(serve(path));
            steps.push(serve(&format!("{path}.html")));
            steps.push(serve(&format!("{path}/index.html")));
        }
    }
    steps
}
