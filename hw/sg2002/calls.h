/*
 * The MPI functions that we call, X(function, library that exports it). Only these are resolved when the libraries are opened,
 * so a library may lack any other. Tests compare the list with the calls, and with docs/hardware.md.
 */
#ifndef MAIXSTREAM_SG2002_CALLS_H
#define MAIXSTREAM_SG2002_CALLS_H

#define MPI_CALLS(X) \
	X(CVI_AE_Register, "libae.so") \
	X(CVI_AE_UnRegister, "libae.so") \
	X(CVI_AWB_Register, "libawb.so") \
	X(CVI_AWB_UnRegister, "libawb.so") \
	X(CVI_ISP_SetBindAttr, "libisp.so") \
	X(CVI_ISP_MemInit, "libisp.so") \
	X(CVI_ISP_SetPubAttr, "libisp.so") \
	X(CVI_ISP_GetStatisticsConfig, "libisp.so") \
	X(CVI_ISP_SetStatisticsConfig, "libisp.so") \
	X(CVI_ISP_Init, "libisp.so") \
	X(CVI_ISP_Run, "libisp.so") \
	X(CVI_ISP_Exit, "libisp.so") \
	X(CVI_ISP_GetExposureAttr, "libae.so") \
	X(CVI_ISP_SetExposureAttr, "libae.so") \
	X(CVI_ISP_QueryExposureInfo, "libae.so") \
	X(CVI_ISP_GetWBAttr, "libawb.so") \
	X(CVI_ISP_SetWBAttr, "libawb.so") \
	X(CVI_ISP_QueryWBInfo, "libisp.so") \
	X(CVI_ISP_GetSaturationAttr, "libisp.so") \
	X(CVI_ISP_SetSaturationAttr, "libisp.so") \
	X(CVI_BIN_SetBinName, "libcvi_bin.so") \
	X(CVI_BIN_GetBinName, "libcvi_bin.so") \
	X(CVI_BIN_ImportBinData, "libcvi_bin.so") \
	X(CVI_MIPI_SetSensorReset, "libisp.so") \
	X(CVI_MIPI_SetMipiReset, "libisp.so") \
	X(CVI_MIPI_SetMipiAttr, "libisp.so") \
	X(CVI_MIPI_SetSensorClock, "libisp.so") \
	X(CVI_RGN_Create, "libvpu.so") \
	X(CVI_RGN_Destroy, "libvpu.so") \
	X(CVI_RGN_SetBitMap, "libvpu.so") \
	X(CVI_RGN_AttachToChn, "libvpu.so") \
	X(CVI_RGN_DetachFromChn, "libvpu.so") \
	X(CVI_SYS_Init, "libsys.so") \
	X(CVI_SYS_Exit, "libsys.so") \
	X(CVI_SYS_Bind, "libsys.so") \
	X(CVI_SYS_UnBind, "libsys.so") \
	X(CVI_SYS_MmapCache, "libsys.so") \
	X(CVI_SYS_Munmap, "libsys.so") \
	X(CVI_SYS_IonFlushCache, "libsys.so") \
	X(CVI_SYS_IonInvalidateCache, "libsys.so") \
	X(CVI_SYS_IonAlloc, "libsys.so") \
	X(CVI_SYS_IonFree, "libsys.so") \
	X(CVI_VB_SetConfig, "libsys.so") \
	X(CVI_VB_Init, "libsys.so") \
	X(CVI_VB_Exit, "libsys.so") \
	X(CVI_VB_CreatePool, "libsys.so") \
	X(CVI_VB_DestroyPool, "libsys.so") \
	X(CVI_VB_GetBlock, "libsys.so") \
	X(CVI_VB_ReleaseBlock, "libsys.so") \
	X(CVI_VB_Handle2PhysAddr, "libsys.so") \
	X(CVI_VENC_CreateChn, "libvenc.so") \
	X(CVI_VENC_DestroyChn, "libvenc.so") \
	X(CVI_VENC_ResetChn, "libvenc.so") \
	X(CVI_VENC_StartRecvFrame, "libvenc.so") \
	X(CVI_VENC_StopRecvFrame, "libvenc.so") \
	X(CVI_VENC_GetFd, "libvenc.so") \
	X(CVI_VENC_SendFrame, "libvenc.so") \
	X(CVI_VENC_GetStream, "libvenc.so") \
	X(CVI_VENC_ReleaseStream, "libvenc.so") \
	X(CVI_VENC_SetModParam, "libvenc.so") \
	X(CVI_VENC_GetModParam, "libvenc.so") \
	X(CVI_VENC_SetJpegParam, "libvenc.so") \
	X(CVI_VENC_GetJpegParam, "libvenc.so") \
	X(CVI_VENC_GetChnAttr, "libvenc.so") \
	X(CVI_VENC_SetChnAttr, "libvenc.so") \
	X(CVI_VENC_GetRcParam, "libvenc.so") \
	X(CVI_VENC_SetRcParam, "libvenc.so") \
	X(CVI_VENC_SetH264Entropy, "libvenc.so") \
	X(CVI_VENC_GetH264Vui, "libvenc.so") \
	X(CVI_VENC_SetH264Vui, "libvenc.so") \
	X(CVI_VENC_RequestIDR, "libvenc.so") \
	X(CVI_VI_SetDevNum, "libvpu.so") \
	X(CVI_VI_SetDevAttr, "libvpu.so") \
	X(CVI_VI_EnableDev, "libvpu.so") \
	X(CVI_VI_DisableDev, "libvpu.so") \
	X(CVI_VI_CreatePipe, "libvpu.so") \
	X(CVI_VI_DestroyPipe, "libvpu.so") \
	X(CVI_VI_StartPipe, "libvpu.so") \
	X(CVI_VI_StopPipe, "libvpu.so") \
	X(CVI_VI_SetChnAttr, "libvpu.so") \
	X(CVI_VI_EnableChn, "libvpu.so") \
	X(CVI_VI_DisableChn, "libvpu.so") \
	X(CVI_VI_RegChnFlipMirrorCallBack, "libvpu.so") \
	X(CVI_VI_UnRegChnFlipMirrorCallBack, "libvpu.so") \
	X(CVI_VPSS_CreateGrp, "libvpu.so") \
	X(CVI_VPSS_DestroyGrp, "libvpu.so") \
	X(CVI_VPSS_ResetGrp, "libvpu.so") \
	X(CVI_VPSS_StartGrp, "libvpu.so") \
	X(CVI_VPSS_StopGrp, "libvpu.so") \
	X(CVI_VPSS_SetChnAttr, "libvpu.so") \
	X(CVI_VPSS_EnableChn, "libvpu.so") \
	X(CVI_VPSS_DisableChn, "libvpu.so") \
	X(CVI_VPSS_SetChnCrop, "libvpu.so") \
	X(CVI_VPSS_AttachVbPool, "libvpu.so") \
	X(CVI_VPSS_DetachVbPool, "libvpu.so") \
	X(CVI_VPSS_GetChnFrame, "libvpu.so") \
	X(CVI_VPSS_ReleaseChnFrame, "libvpu.so")

#endif
