"""Cases that go on to the deployment of another model, by a topic of ours: the record, and the policies that come with it."""
