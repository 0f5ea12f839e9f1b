use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use maestro_auth_domain::{DisplayName, Email, RoleName};
use maestro_auth_ports::Algorithm;

/// A type that a setting may have.
pub(super) trait Value: Sized {
    /// How an error line goes on after «… is not».
    const EXPECTED: &'static str;
    /// Whether an error line must not repeat the value.
    const IS_SECRET: bool = false;

    fn parse(text: &str) -> Option<Self>;

    /// The value as a user would write it.
    fn show(&self) -> String;
}

/// Declares an enum whose variants a setting names.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $expected:literal, { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $crate::config::value::Value for $name {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }

            fn show(&self) -> String {
                match self {
                    $(Self::$variant => $text.to_owned()),+
                }
            }
        }
    };
}
pub(super) use choice;

/// Implements [`Value`] for a type that reads and shows itself.
macro_rules! plain_value {
    ($($type:ty: $expected:literal),+ $(,)?) => {$(
        impl Value for $type {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

plain_value! {
    bool: "true or false",
    u16: "a number from 0 to 65535",
    u32: "a whole number",
    usize: "a whole number",
}

impl Value for String {
    const EXPECTED: &'static str = "a text of 1 to 255 printable characters";

    fn parse(text: &str) -> Option<Self> {
        let is_printable = !text.chars().any(char::is_control);
        ((1..=255).contains(&text.len()) && is_printable).then(|| text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

/// The units of a duration, the largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Value for Duration {
    const EXPECTED: &'static str = "a duration such as 500ms, 10s, 15m, 12h or 7d";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
        Some(Self::from_millis(number.parse::<u64>().ok()?.checked_mul(*millis)?))
    }

    fn show(&self) -> String {
        let total = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let whole = UNITS.iter().find(|(_, millis)| total >= *millis && total.is_multiple_of(*millis));
        whole.map_or_else(|| "0s".to_owned(), |(unit, millis)| format!("{}{unit}", total / millis))
    }
}

impl Value for IpAddr {
    const EXPECTED: &'static str = "an IP address or localhost";

    fn parse(text: &str) -> Option<Self> {
        if text == "localhost" { Some(Self::V4(Ipv4Addr::LOCALHOST)) } else { text.parse().ok() }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A network of addresses, such as `10.0.0.0/8` (RFC 4632), or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Network {
    /// Whether the address is in the network. One of the other family never is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix).min(32);
                u32::from(own).checked_shr(shift) == u32::from(other).checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix).min(128);
                u128::from(own).checked_shr(shift) == u128::from(other).checked_shr(shift)
            }
            _ => false,
        }
    }

    /// Reads a network as a setting has it.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Value::parse(text)
    }
}

impl Value for Network {
    const EXPECTED: &'static str = "an IP address or a network such as 10.0.0.0/8";

    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(longest), |bits| bits.parse().ok())?;
        (prefix <= longest).then_some(Self { address, prefix })
    }

    fn show(&self) -> String {
        format!("{}/{}", self.address, self.prefix)
    }
}

impl Value for Algorithm {
    const EXPECTED: &'static str = "ES256, EdDSA or RS256";

    fn parse(text: &str) -> Option<Self> {
        Self::from_name(text)
    }

    fn show(&self) -> String {
        self.name().to_owned()
    }
}

impl Value for RoleName {
    const EXPECTED: &'static str = "the name of a role";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Email {
    const EXPECTED: &'static str = "an e-mail address";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for DisplayName {
    const EXPECTED: &'static str = "a name of 1 to 100 characters";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_that_begin_as_it_does() {
        let contains =
            |network: &str, address: &str| Network::read(network).unwrap().contains(address.parse().unwrap());
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("10.0.0.1", "10.0.0.1") && !contains("10.0.0.1", "10.0.0.2"));
        assert!(contains("0.0.0.0/0", "203.0.113.9") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("fd00::/8", "fdff::1") && !contains("fd00::/8", "fe00::1"));
        assert!(contains("::/0", "2001:db8::1") && contains("::1", "::1") && !contains("::1", "::2"));
    }

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        for (text, millis) in
            [("500ms", 500), ("10s", 10_000), ("15m", 900_000), ("12h", 43_200_000), ("7d", 604_800_000)]
        {
            let duration: Duration = Value::parse(text).unwrap();
            assert_eq!((duration, duration.show().as_str()), (Duration::from_millis(millis), text));
        }
        for text in ["", "10", "s", "1.5s", "-1s", "15 bananas", "10 s", "99999999999999999999d", "1w"] {
            assert!(<Duration as Value>::parse(text).is_none(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_network_has_no_more_bits_than_its_address() {
        for text in ["10.0.0.0/8", "10.1.2.3/32", "fd00::/8", "::1/128"] {
            assert_eq!(Network::parse(text).unwrap().show(), text);
        }
        for text in ["10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "proxy.local", ""] {
            assert!(Network::parse(text).is_none(), "{text:?} was accepted");
        }
    }
}
