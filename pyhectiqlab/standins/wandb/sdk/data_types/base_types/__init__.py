"""wandb.sdk.data_types.base_types: what media have in common."""
