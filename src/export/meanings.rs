//! What the columns mean that every run has, or every run of plume-nav-sim: for columns without a description of their own.

use crate::run::layout::RunStream;

/// What a column is, in a few words; `None` for one that a simulator declares. `has_resets`: step 0 is a row, too.
pub fn column_meaning(stream: RunStream, name: &str, is_plume: bool, has_resets: bool) -> Option<String> {
    let text = fixed_meaning(stream, name).or_else(|| if is_plume { plume_meaning(name) } else { None })?;
    let is_step = name == "step" && has_resets;
    Some(if is_step { format!("{text}; 0 is the state after the reset") } else { text.to_owned() })
}

/// The columns that have one meaning in the runs of every simulator.
fn fixed_meaning(stream: RunStream, name: &str) -> Option<&'static str> {
    let of_step = stream == RunStream::Steps;
    Some(match name {
        "schema_version" => "Version of the recorder's format",
        "experiment" => "Experiment of the run",
        "run_id" => "Id of the run in its experiment",
        "episode_id" => "Episode as the recorder names it; several of a run may share a name",
        "episode_index" => "Number of the episode in its run, from 0",
        "step" => "Number of the step in its episode, from 1",
        "total_steps" => "Number of the episode's steps",
        "terminated" if of_step => "Whether the episode ended with this step",
        "terminated" => "Whether the episode came to its end",
        "truncated" if of_step => "Whether the episode was cut off after this step",
        "truncated" => "Whether the episode was cut off",
        "ts" => "Time of the step by the clock on the wall, since 1970",
        "reward" => "Reward of the step",
        "seed" => "Seed of the episode",
        "agent" => "Agent of the row",
        "total_reward" => "Sum of the episode's rewards",
        "success" => "Whether the episode reached its goal",
        "duration_ms" => "Duration of the episode in milliseconds",
        "extra" => "Fields that no column names, as the text of one JSON object",
        _ => return None,
    })
}

/// The other columns of plume-nav-sim, whose schema has no descriptions.
fn plume_meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        "action" => "Action of the agent",
        "agent_x" => "Position of the agent, x",
        "agent_y" => "Position of the agent, y",
        "distance_to_goal" => "Distance of the agent to the goal",
        "observation_summary" => "Summary of the observation",
        "final_x" => "Last position of the agent, x",
        "final_y" => "Last position of the agent, y",
        "final_distance_to_goal" => "Last distance of the agent to the goal",
        "avg_step_time_ms" => "Mean time of a step in milliseconds",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::schema::RunSchema;

    #[test]
    fn every_column_of_plume_has_a_meaning() {
        for stream in [RunStream::Steps, RunStream::Episodes] {
            for column in RunSchema::plume().table_columns(stream) {
                assert!(column_meaning(stream, &column.name, true, false).is_some(), "{}", column.name);
            }
        }
    }
}
