//! Which addresses are somebody's own, and how names become addresses.
//!
//! A public server must not lead a client to what only the client can reach. The check is made where a connection is: the resolver gives
//! out public addresses only, and the connection goes to one of those, so a name that has another address a moment later changes nothing.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What is known about names and addresses beforehand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// Names in lower case that are not asked for.
    pub(crate) names: HashMap<String, Vec<SocketAddr>>,
    /// Private addresses that count as public.
    pub(crate) public: Vec<IpAddr>,
}

/// Looks names up; gives out public addresses only where it is a guard.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    pub(crate) places: Arc<Places>,
    pub(crate) guards: bool,
}

/// A name that could not be looked up: that of a host or, which the URL does not tell, of a proxy.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub(crate) struct NotFound {
    pub(crate) name: String,
    source: std::io::Error,
}

/// A name that has private addresses only.
#[derive(Debug)]
pub(crate) struct PrivateAddress;

// === impl Places ===

impl Places {
    pub(crate) fn is_public(&self, address: IpAddr) -> bool {
        is_public(address) || self.public.contains(&address)
    }
}

// === impl Resolver ===

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { places, guards } = self.clone();
        Box::pin(async move {
            let name = name.as_str().to_ascii_lowercase();
            let mut found = match places.names.get(&name) {
                Some(known) => known.clone(),
                None => {
                    let found = tokio::net::lookup_host((&*name, 0)).await;
                    found.map_err(|source| NotFound { name: name.clone(), source })?.collect()
                }
            };
            if guards {
                found.retain(|address| places.is_public(address.ip()));
                if found.is_empty() {
                    return Err(PrivateAddress.into());
                }
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its address is private")
    }
}

impl Error for PrivateAddress {}

/// Whether anybody on the internet may be there: neither this machine, nor its network, nor what stands for one of them.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By the registry of special-purpose addresses (RFC 6890 and those after it).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_special = match address.octets() {
        [0 | 10 | 127, ..] => true,
        [100, second, ..] => second & 0xc0 == 64, // carriers' own networks
        [169, 254, ..] => true,
        [172, second, ..] => second & 0xf0 == 16,
        [192, 0, 0 | 2, _] | [192, 168, ..] | [192, 88, 99, _] => true,
        [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        [first, ..] if first >= 224 => true, // multicast, reserved, broadcast
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // An address within the address counts, wherever it is carried: IPv4-mapped, translated (NAT64), or 6to4.
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        [0x2001, 0xdb8, ..] => false,            // documentation
        [0x2001, 0..=0x1ff, ..] => false,        // protocols: Teredo, benchmarks
        [first, ..] => first & 0xe000 == 0x2000, // all that is given to the public as yet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().expect("it is an address"))
    }

    #[test]
    fn nobody_else_is_at_a_private_address() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "fec0::1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!public(private), "{private}");
        }
    }

    #[test]
    fn what_carries_a_private_address_is_private() {
        for private in [
            "::ffff:127.0.0.1",
            "::ffff:a00:1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
            "2002:a00:1::",
        ] {
            assert!(!public(private), "{private}");
        }
    }

    #[test]
    fn what_is_near_a_private_address_is_public() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "126.0.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "192.169.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(public(address), "{address}");
        }
    }
}
