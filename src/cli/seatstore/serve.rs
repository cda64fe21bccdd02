//! `seatstore serve`.

use crate::cli::exit::{Exit, Stop};
use crate::config::seatstore::SeatstoreConfig;

/// Runs the server until it is told to stop.
pub(super) async fn serve(config: SeatstoreConfig) -> Result<Exit, Stop> {
    super::make_folder_of(&config.store_path)?;
    Err(Stop::Other("this build has no server yet".to_owned()))
}
