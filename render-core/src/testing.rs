//! What tests of several crates need: a GPU renderer with repeatable pixels, or a reason why there is none.

use crate::RenderError;
use crate::gpu::{AdapterChoice, GpuContext, GpuOptions, GpuRenderer};
use crate::renderer::Renderer;

/// A device on a software adapter where there is one, so that pixels repeat; else on any adapter.
///
/// Without any adapter the test is told so and gets `None`; with `REQUIRE_GPU=1` it fails.
///
/// # Panics
/// If there is no adapter and `REQUIRE_GPU=1`.
pub fn gpu_context() -> Option<GpuContext> {
    or_say_so(GpuContext::headless(AdapterChoice::PreferSoftware))
}

/// [`gpu_context`] without any optional feature, as on the oldest drivers.
///
/// # Panics
/// If there is no adapter and `REQUIRE_GPU=1`.
pub fn gpu_context_without_features() -> Option<GpuContext> {
    or_say_so(GpuContext::without_features(AdapterChoice::PreferSoftware))
}

fn or_say_so(opened: Result<GpuContext, RenderError>) -> Option<GpuContext> {
    match opened {
        Ok(context) => Some(context),
        Err(e) => {
            assert!(std::env::var_os("REQUIRE_GPU").is_none_or(|v| v != "1"), "no graphics adapter: {e}");
            #[expect(clippy::print_stderr, reason = "a test that checks nothing has to say so")]
            {
                eprintln!("no graphics adapter ({e}); test ends here without checking anything");
            }
            None
        }
    }
}

/// A GPU renderer on [`gpu_context`].
pub fn gpu_renderer(options: GpuOptions) -> Option<GpuRenderer> {
    gpu_context().map(|context| GpuRenderer::new(context, options))
}

/// A [`Renderer`] on [`gpu_context`], which opens another device of any kind if this one is lost.
pub fn renderer(options: GpuOptions) -> Option<Renderer> {
    gpu_context().map(|context| Renderer::on_gpu(context, Some(AdapterChoice::PreferSoftware), options))
}

/// A [`Renderer`] that shares a device as with a window: if it is lost, the processor takes over.
pub fn renderer_on_shared(context: GpuContext, options: GpuOptions) -> Renderer {
    Renderer::on_gpu(context.watched(), None, options)
}
