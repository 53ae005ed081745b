.PHONY: bench-receive screenshots-receive
bench-receive: setup ## a hundred devices posting 5 pictures a second each for a minute, twice: loss, CPU time, memory
	MAIXSTREAM_SECONDS=60 $(GO) test -count=1 -v -timeout 10m -run '^TestHundredDevices$$' ./server/upload

screenshots: screenshots-receive
screenshots-receive: setup-test ## the pictures of the gallery in docs/
	MAIXSTREAM_SCREENSHOTS=$(CURDIR)/docs $(GO) test -count=1 -run '^TestGalleryScreenshots$$' ./server/upload
