"""What happens, pushed to the screens that want to know."""
