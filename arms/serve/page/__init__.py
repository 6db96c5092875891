"""The page at `/`: ask with a picture and see the ranking, and watch the traffic."""
