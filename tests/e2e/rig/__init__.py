"""The test rig: processes around the gateway (slaves, cloud, clients) and the links between them."""
