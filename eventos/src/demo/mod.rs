//! Waits for orders.
pub(crate) const SLUG: &str = "demo";
pub(crate) async fn load(_app: &operations::App) -> anyhow::Result<Option<String>> {
    Ok(None)
}
