//! Generated messages, clients and servers. Nothing outside the wire should hold these: see [`crate::convert`].
//!
//! The published schema is in [`clara`] and [`node_monitor`], our own services are in [`extension`].
//! Lists of enumeration values and times are plain numbers on the wire; [`crate::convert`] checks them.

pub use lantern::platform::v1 as extension;
pub use nvidia::clara::platform as clara;
pub use nvidia::clara::platform::node_monitor;

/// The descriptors of every file in `proto/`, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

// Generated types refer to each other by the path of their package.
#[expect(missing_docs, unreachable_pub, reason = "generated; the files in proto/ are the documentation")]
mod nvidia {
    pub mod clara {
        #[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
        pub mod platform {
            tonic::include_proto!("nvidia.clara.platform");

            pub mod node_monitor {
                tonic::include_proto!("nvidia.clara.platform.node_monitor");
            }
        }
    }
}

#[expect(missing_docs, unreachable_pub, reason = "generated; the files in proto/ are the documentation")]
mod lantern {
    pub mod platform {
        #[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
        pub mod v1 {
            tonic::include_proto!("lantern.platform.v1");
        }
    }
}
