"""Train, evaluate and run STMoE, a mixture of spatio-temporal experts, on synthetic and real stores."""
