"""The command post: frames -> log -> picture -> API and screen."""
