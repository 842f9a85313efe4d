//! Which process listens on a port, from the kernel's tables
//! ([`proc(5)`](https://man7.org/linux/man-pages/man5/proc_pid_net.5.html)).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// The name of its command, as the kernel knows it.
    pub(crate) command: String,
}

/// The process whose listener stands in the way of one on `addr`. `None` if it can't be seen: it is
/// another user's, or in a container.
pub(crate) fn find(addr: SocketAddr) -> Option<Holder> {
    let tables: Vec<String> = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .collect();
    let inodes: Vec<String> = tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(|line| listener(line, addr))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?;
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find_map(|pid| {
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
            let holds = descriptors
                .flatten()
                .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
                .any(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()));
            let command = || {
                fs::read_to_string(format!("/proc/{pid}/comm"))
                    .unwrap_or_default()
                    .trim()
                    .to_owned()
            };
            holds.then(|| Holder {
                pid,
                command: command(),
            })
        })
}

/// The inode of the socket in a line of the table, if it listens and is in the way of `addr`.
fn listener(line: &str, addr: SocketAddr) -> Option<&str> {
    /// `TCP_LISTEN` of the kernel, as the table writes it.
    const LISTENING: &str = "0A";
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
    let (ip, port) = local.split_once(':')?;
    let same_port = u16::from_str_radix(port, 16).is_ok_and(|port| port == addr.port());
    let ip = parse_ip(ip)?;
    let in_the_way = ip == addr.ip().to_canonical() || ip.is_unspecified() || addr.ip().is_unspecified();
    (*state == LISTENING && same_port && in_the_way).then_some(*inode)
}

/// An address of the table: words of 32 bits in hexadecimal, each in the machine's byte order.
fn parse_ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        u32::from_str_radix(hex.get(at..at + 8)?, 16)
            .ok()
            .map(u32::to_ne_bytes)
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (nth, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(nth * 8)?);
            }
            Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn finds_this_process() {
        for ip in ["127.0.0.1", "0.0.0.0"] {
            let listener = TcpListener::bind((ip, 0)).expect("a free port");
            let port = listener.local_addr().expect("an address").port();
            let addr = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
            let holder = find(addr).expect("someone holds it");
            assert_eq!(holder.pid, std::process::id());
            assert!(!holder.command.is_empty());
        }
    }

    #[test]
    fn reads_both_tables() {
        let line = |local: &str, state: &str| {
            format!(
                "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0  0 4242 1 x 100 0 0 10 0"
            )
        };
        let addr: SocketAddr = "127.0.0.1:8787".parse().expect("an address");
        for (local, state, found) in [
            ("0100007F:2253", "0A", true),
            ("00000000:2253", "0A", true),
            ("00000000000000000000000000000000:2253", "0A", true),
            ("0000000000000000FFFF00000100007F:2253", "0A", true),
            ("0100007F:2253", "01", false),
            ("0100007F:2254", "0A", false),
            ("0200007F:2253", "0A", false),
            ("00000000000000000000000001000000:2253", "0A", false),
            ("nonsense", "0A", false),
        ] {
            let line = line(local, state);
            assert_eq!(listener(&line, addr), found.then_some("4242"), "{local} {state}");
        }
        assert_eq!(listener("  sl  local_address rem_address   st", addr), None);
    }
}
