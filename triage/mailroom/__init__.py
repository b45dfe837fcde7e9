"""Mail servers. The only room that talks to them."""
