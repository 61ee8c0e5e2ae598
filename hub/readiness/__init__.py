"""What stands ready: cameras and nets of now; teams, people, vehicles, supplies and sites come here."""
