//! Which addresses outbound requests may reach. It is the resolved address that counts, of every exchange anew: a name
//! may resolve to something else each time, and a redirect may lead anywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Which addresses may be reached. As text `any`, `public`, `none`, or a list with commas of `public`, addresses and blocks
/// of addresses: `public,10.1.2.3,fd12::/16`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressPolicy {
    /// All of them: on a developer's own machine most of what a Worker talks to is private.
    #[default]
    Any,
    /// Those of the public internet alone.
    Public,
    /// Those of some blocks, and of the public internet if that is said too. A policy lasts as long as the process.
    Listed {
        /// Whether the public internet may be reached.
        public: bool,
        /// What else may.
        blocks: &'static [AddressBlock],
    },
}

/// Addresses that begin alike. IPv4 addresses are the same as those of IPv6 that embed them (`::ffff:0:0/96`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    first: u128,
    /// The bits that all have in common.
    mask: u128,
}

/// The text is no [`AddressPolicy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an IP address nor a block such as 10.0.0.0/8, nor any, public or none alone")]
pub struct UnknownAddresses(String);

impl AddressPolicy {
    /// Whether `address` may be reached.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        let (public, blocks) = match self {
            Self::Any => return true,
            Self::Public => (true, &[][..]),
            Self::Listed { public, blocks } => (public, blocks),
        };
        let is_public = match address {
            IpAddr::V4(address) => is_public_v4(address),
            IpAddr::V6(address) => is_public_v6(address),
        };
        let number = number(address);
        public && is_public || blocks.iter().any(|block| number & block.mask == block.first)
    }
}

impl FromStr for AddressPolicy {
    type Err = UnknownAddresses;

    fn from_str(text: &str) -> Result<Self, UnknownAddresses> {
        let mut public = false;
        let mut blocks = Vec::new();
        match text.trim() {
            "any" => return Ok(Self::Any),
            "public" => return Ok(Self::Public),
            "none" => {}
            list => {
                for word in list.split(',').map(str::trim) {
                    if word == "public" {
                        public = true;
                    } else {
                        blocks.push(word.parse()?);
                    }
                }
            }
        }
        let blocks = Vec::leak(blocks);
        Ok(Self::Listed { public, blocks })
    }
}

impl FromStr for AddressBlock {
    type Err = UnknownAddresses;

    fn from_str(text: &str) -> Result<Self, UnknownAddresses> {
        let unknown = || UnknownAddresses(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| unknown())?;
        let (bits, embedded) = match address {
            IpAddr::V4(_) => (32, 96),
            IpAddr::V6(_) => (128, 0),
        };
        let length = match length {
            None => bits,
            // Without a sign, which `parse` would take.
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => length
                .parse()
                .ok()
                .filter(|length| *length <= bits)
                .ok_or_else(unknown)?,
            Some(_) => return Err(unknown()),
        };
        let mask = u128::MAX.checked_shl(128 - (embedded + length)).unwrap_or(0);
        let first = number(address) & mask;
        Ok(Self { first, mask })
    }
}

/// An address as one of IPv6.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
    .into()
}

/// Outside of the special-purpose blocks of RFC 6890 and its successors.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240)
}

/// In the global unicast block 2000::/3, without what embeds or tunnels to other addresses that are not public.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // IPv4-mapped, and NAT64's well-known prefix.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // 6to4.
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo, benchmarking, ORCHID, documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        let allows = |text: &str| AddressPolicy::Public.allows(text.parse().expect("an address"));
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "100.63.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "2002:0101:0101::",
        ] {
            assert!(allows(public), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "::7f00:1",
            "2001:db8::1",
            "3fff::1",
        ] {
            assert!(!allows(private), "{private}");
            assert!(AddressPolicy::Any.allows(private.parse().expect("an address")));
        }
    }

    fn policy(text: &str) -> AddressPolicy {
        text.parse().expect("a policy")
    }

    #[test]
    fn lists_allow_what_they_name() {
        let listed = policy("public, 10.1.2.3,192.168.0.0/16,fd12::/16");
        for (address, allowed) in [
            ("8.8.8.8", true),
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.1.2.4", false),
            ("192.168.255.1", true),
            ("192.169.0.1", true),
            ("172.16.0.1", false),
            ("127.0.0.1", false),
            ("fd12::1", true),
            ("fd13::1", false),
            ("::1", false),
        ] {
            assert_eq!(
                listed.allows(address.parse().expect("an address")),
                allowed,
                "{address}"
            );
        }
        let only = policy("127.0.0.1/8");
        assert!(only.allows("127.9.9.9".parse().expect("an address")));
        assert!(!only.allows("8.8.8.8".parse().expect("an address")));
        for address in ["8.8.8.8", "127.0.0.1", "::1"] {
            let address = address.parse().expect("an address");
            assert!(!policy("none").allows(address));
            assert!(policy("any").allows(address));
            assert!(policy("0.0.0.0/0,::/0").allows(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "private",
            "localhost",
            "any,10.0.0.1",
            "none,public",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "::/129",
            "10.0.0",
            "public,",
        ] {
            assert!(bad.parse::<AddressPolicy>().is_err(), "{bad:?}");
        }
    }
}
