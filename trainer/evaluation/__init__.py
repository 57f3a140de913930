"""What a forecast is worth: scores with intervals, figures and reports."""
