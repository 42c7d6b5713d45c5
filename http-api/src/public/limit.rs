//! How many requests one address may make.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use axum::{
    extract::{ConnectInfo, Request},
    http::header,
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use crate::{
    options::Options,
    problem::{Problem, TOO_MANY},
};

const FORWARDED: &str = "x-forwarded-for";
/// After so many requests, addresses that have not come for a while are forgotten.
const FORGET_EVERY: u32 = 4_096;

/// Counts requests by address.
pub(crate) struct Counter {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    clock: DefaultClock,
    counted: AtomicU32,
    behind_proxy: bool,
}

impl Counter {
    pub(crate) fn new(options: &Options) -> Self {
        let limiter = NonZeroU32::new(options.public_per_minute).map(|per_minute| {
            let burst = NonZeroU32::new(options.public_burst).unwrap_or(NonZeroU32::MIN);
            RateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(burst))
        });
        Self {
            limiter,
            clock: DefaultClock::default(),
            counted: AtomicU32::new(0),
            behind_proxy: options.behind_proxy,
        }
    }

    /// Counts a request; refuses it if its address has made too many.
    pub(crate) fn count(&self, request: &Request) -> Result<(), Problem> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        if self.counted.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            limiter.retain_recent();
        }
        limiter.check_key(&self.address(request)).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now()).as_secs() + 1;
            Problem::own(
                TOO_MANY,
                "too many requests from this address in a short time",
            )
            .header(header::RETRY_AFTER, &wait.to_string())
        })
    }

    fn address(&self, request: &Request) -> IpAddr {
        let forwarded = || {
            // The last entry is what our own proxy saw; those before it are what the client says.
            let last = request.headers().get_all(FORWARDED).iter().next_back()?;
            last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
        };
        let peer = || {
            Some(
                request
                    .extensions()
                    .get::<ConnectInfo<SocketAddr>>()?
                    .0
                    .ip(),
            )
        };
        let found = if self.behind_proxy {
            forwarded().or_else(peer)
        } else {
            peer()
        };
        network(found.unwrap_or(Ipv4Addr::UNSPECIFIED.into()))
    }
}

/// What one subscriber has: an address of IPv4, 64 bits of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_subscriber_count_together() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
