"""The paper's tables as plans of jobs, run side by side and resumed; what was found is judged by its seeds."""
